// The fused engine: whole paths, one at a time, sixteen venues wide. Compiled once for every
// instruction set; everything lies in a namespace of that name, so that the linker can never keep
// a copy built for another.
#include "kernels/fused.h"

#include <cstddef>
#include <cstring>
#include <new>
#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC says of its own intrinsics that they read what is not set (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif

namespace ISA {

#include "kernels/parts/lanes/lanes_fused.h"

static inline vec load(const float* table, int row) {
    vec v;
    __builtin_memcpy(&v, table + (int64_t)row * LANES, sizeof v);
    return v;
}

// All ones in the lanes whose bits are set.
static inline ivec lanes_of(uint32_t bits) { return (((isplat((int32_t)bits) >> LANE) & 1) != 0); }

static inline ivec load_integers(const int32_t* table, int row) {
    ivec v;
    __builtin_memcpy(&v, table + row * LANES, sizeof v);
    return v;
}

#include "kernels/parts/elementary/elementary_fused.h"
#include "kernels/parts/philox/philox_fused.h"
#include "kernels/parts/normal/normal_fused.h"
#include "kernels/parts/table/table_fused.h"
#include "kernels/mechanisms/overlay/step_fused.h"
#include "kernels/mechanisms/book/step_fused.h"
#include "kernels/mechanisms/withdrawal/step_fused.h"
#include "kernels/mechanisms/arbitrage/step_fused.h"
#include "kernels/mechanisms/feed/step_fused.h"
#include "kernels/mechanisms/halt/step_fused.h"
#include "kernels/mechanisms/mark/step_fused.h"
#include "kernels/mechanisms/outage/step_fused.h"
#include "kernels/mechanisms/liquidation/step_fused.h"
#include "kernels/mechanisms/funding/step_fused.h"
#include "kernels/mechanisms/leverage/step_fused.h"
#include "kernels/mechanisms/whale/step_fused.h"
#include "kernels/mechanisms/exogenous/memory_fused.h"
#include "kernels/mechanisms/exogenous/step_fused.h"
#include "kernels/mechanisms/vault/step_fused.h"
#include "kernels/mechanisms/cascade/step_fused.h"
#include "kernels/mechanisms/adl/take_fused.h"
#include "kernels/mechanisms/adl/step_fused.h"
#include "kernels/mechanisms/adl/report_fused.h"
#include "kernels/mechanisms/waterfall/step_fused.h"
#include "kernels/mechanisms/account/step_fused.h"
#include "kernels/mechanisms/flow/step_fused.h"
#include "kernels/parts/record/record_fused.h"
#include "kernels/mechanisms/waterfall/funds_fused.h"
#include "kernels/mechanisms/vault/inventory_fused.h"
#include "kernels/state_fused.h"
#include "kernels/settlement_fused.h"
#include "kernels/accounts_fused.h"
#include "kernels/engine_fused.h"

static void run_range(Engine& engine, const PackedScenario& s, uint64_t seed, uint64_t first, int count,
                      float* rows, uint32_t* status, int64_t* counters) {
    for (int i = 0; i < count; ++i)
        status[i] = engine.run(seed, first + i, rows + (int64_t)i * s.n_cell, counters);
}

void run_paths(const PackedScenario& s, uint64_t seed, uint64_t first, int count, float* rows,
               uint32_t* status, int64_t* counters) {
    if (s.gate) {
        Engine engine(s);
        run_range(engine, s, seed, first, count, rows, status, counters);
        return;
    }
    // Where gating is to show that it changes nothing, memory that nobody has set is no number either.
    const std::align_val_t alignment{alignof(Engine)};
    void* room = ::operator new(sizeof(Engine), alignment);
    std::memset(room, 0xff, sizeof(Engine));
    Engine* engine = new (room) Engine(s);
    run_range(*engine, s, seed, first, count, rows, status, counters);
    engine->~Engine();
    ::operator delete(room, alignment);
}

}  // namespace ISA
