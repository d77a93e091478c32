// The threads of a block as a group that shares memory; see kernels/cuda/tally_fused.h.
#pragma once

constexpr int N_THREAD = 256;
static inline int own_thread() { return threadIdx.x; }
static inline void barrier() { __syncthreads(); }
static inline uint64_t add_to(uint64_t* word, uint64_t x) { return atomicAdd(word, x); }
static inline uint32_t add_to(uint32_t* word, uint32_t x) { return atomicAdd(word, x); }
static inline void raise_to(uint32_t* word, uint32_t x) { atomicMax(word, x); }
