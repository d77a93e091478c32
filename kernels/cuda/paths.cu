// Paths of one run on a GPU. Built for the run: "run.h" holds its counts and says which arrays it has.
#include "run.h"

#include "kernels/fused.h"

#include "kernels/cuda/threads.h"
#if defined(THREAD_A_PATH)
#include "kernels/parts/lanes/lanes_whole_fused.h"
#else
#include "kernels/parts/lanes/lanes_one_fused.h"
#endif
#include "kernels/path_fused.h"

#include "kernels/cuda/carry_fused.h"
#include "kernels/cuda/groups.h"
#include "kernels/cuda/tally_fused.h"

// Threads of a block, its blocks on a multiprocessor, which together bound the registers, and threads of a
// path.
#if defined(THREAD_A_PATH)
constexpr int THREADS = 64, BLOCKS_AT_ONCE = 4, PER_PATH = 1;
#else
constexpr int THREADS = 128, BLOCKS_AT_ONCE = 4, PER_PATH = LANES;
#endif

// See `carry_paths`; every half of a warp, or every thread, takes one path after the other.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_AT_ONCE)
    run_paths(const PackedScenario* s, uint64_t seed, uint64_t first, const uint64_t* which, int count,
              float* rows, uint32_t* status, unsigned long long* counters) {
    const int number = (blockIdx.x * blockDim.x + threadIdx.x) / PER_PATH;
    const int at_once = gridDim.x * blockDim.x / PER_PATH;
    int64_t work[N_COUNTER] = {};
    carry_paths(*s, seed, first, which, count, number, at_once, rows, status, work);
    if (own_lane() == 0)
        for (int c = 0; c < N_COUNTER; ++c) atomicAdd(counters + c, (unsigned long long)work[c]);
}

// See `tally_rows`: a group of threads for each cell and for each list of worst paths,
// and one for the venues.
extern "C" __global__ void __launch_bounds__(N_THREAD)
    tally_paths(const float* rows, const uint32_t* status, int count, const int32_t* exponent,
                uint64_t* counts, uint64_t* remainders, uint64_t* sums, uint64_t* squares, uint64_t* bad,
                int n_list, const int32_t* worst_cell, uint32_t* worst_least, float* worst_loss,
                int32_t* worst_path, int n_venue, const int32_t* exhaustion_cell, uint64_t* exhausted) {
    __shared__ uint64_t room[(sizeof(Shared) + 7) / 8];
    tally_rows(blockIdx.x, Rows{rows, status, count, PackedScenario::n_cell}, exponent,
               Counted{counts, remainders, sums, squares, bad},
               Lists{n_list, worst_cell, worst_least, worst_loss, worst_path},
               Subsets{n_venue, exhaustion_cell, exhausted}, *(Shared*)room);
}
