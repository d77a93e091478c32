// Paths of one run on a GPU. Built for the run: "run.h" holds its counts and says which arrays it has.
#include "run.h"

#include "kernels/fused.h"

#include "kernels/cuda/threads.h"
#include "kernels/parts/lanes/lanes_one_fused.h"
#include "kernels/path_fused.h"

#include "kernels/cuda/carry_fused.h"

constexpr int THREADS = 128, BLOCKS_AT_ONCE = 4;  // of a multiprocessor: together they bound the registers

// See `carry_paths`; every half of a warp takes one path after the other.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS_AT_ONCE)
    run_paths(const PackedScenario* s, uint64_t seed, uint64_t first, const uint64_t* which, int count,
              float* rows, uint32_t* status, unsigned long long* counters) {
    const int half = (blockIdx.x * blockDim.x + threadIdx.x) / LANES, n_half = gridDim.x * blockDim.x / LANES;
    int64_t work[N_COUNTER] = {};
    carry_paths(*s, seed, first, which, count, half, n_half, rows, status, work);
    if (own_lane() == 0)
        for (int c = 0; c < N_COUNTER; ++c) atomicAdd(counters + c, (unsigned long long)work[c]);
}
