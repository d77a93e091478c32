// The tally for one instruction set: rows of outcomes into histograms, threads over blocks of cells.
// Built once per ISA; everything lies in a namespace named after it.

#include "kernels/tally.h"

#include <atomic>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace ISA {

#include "kernels/parts/histogram/histogram_fused.h"

int64_t tally_add(const TallyArrays& arrays) {
    const histogram::Cells cells{arrays.exponent, arrays.counts, arrays.remainders, arrays.sums,
                                 arrays.squares};
    const int n_block = (arrays.n_cell + histogram::block - 1) / histogram::block;
    std::atomic<int> next{0};
    std::atomic<int64_t> bad{0};
    auto work = [&] {
        const std::unique_ptr<histogram::Workspace> space(new histogram::Workspace);
        for (int b; (b = next.fetch_add(1)) < n_block;)
            bad += histogram::add_block(arrays.rows, arrays.n_path, arrays.n_cell, b * histogram::block,
                                        cells, *space);
    };
    std::vector<std::thread> threads;
    for (int i = 1; i < arrays.n_thread && i < n_block; ++i) threads.emplace_back(work);
    work();
    for (auto& thread : threads) thread.join();
    return bad;
}

}  // namespace ISA
