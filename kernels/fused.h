// What crosses the border of the fused engine: the packed scenario and one function per instruction set.
//
// Packing (kernels/engine_cpu.py) casts to float32, pads the venue axis to LANES lanes and puts it
// last where lanes are walked:
//
//     lanes      [..., venue] -> [..., LANES]
//     rows       forced and margin side by side: [asset, side, group, venue, edge, 2 x MAX_TIER]
//     held       notional between two edges: [asset, side, group, venue, edge, MAX_TIER]
//     forced_lines  notional forced over groups and tiers, a line in each bin, and one beyond them:
//                [asset, side, venue, edge, 4], at distance 0, slope, where the bin ends, nothing
//     slices     one cache line for a bin of a market, [asset, side, venue, edge, 4 x MAX_GROUP], each
//                by group: notional held, margin at the lower edge, its rise to the upper one, and
//                whose it is, t + w: tier t, and the share w of it tier t + 1; -1 where others hold
//                some too
//     group_*    by group, [asset, side, venue, MAX_GROUP]: `whole`, a mask, closes in full and is not
//                empty; `keep`, the share of a surplus that the fund keeps
#pragma once

#include "kernels/integers.h"

#include "kernels/mechanisms/account/arrays_fused.h"
#include "kernels/mechanisms/adl/arrays_fused.h"
#include "kernels/mechanisms/clearing/arrays_fused.h"
#include "kernels/mechanisms/cover/arrays_fused.h"
#include "kernels/mechanisms/flow/arrays_fused.h"
#include "kernels/mechanisms/funding/arrays_fused.h"
#include "kernels/mechanisms/overlay/arrays_fused.h"
#include "kernels/mechanisms/leverage/arrays_fused.h"
#include "kernels/mechanisms/whale/arrays_fused.h"
#include "kernels/mechanisms/exogenous/arrays_fused.h"
#include "kernels/mechanisms/feed/arrays_fused.h"
#include "kernels/mechanisms/halt/arrays_fused.h"
#include "kernels/mechanisms/mark/arrays_fused.h"
#include "kernels/mechanisms/outage/arrays_fused.h"
#include "kernels/mechanisms/vault/arrays_fused.h"
#include "kernels/mechanisms/waterfall/arrays_fused.h"

// X(type, name): every array of the packed scenario, in the order of the declaration in Python.
#define SCENARIO_ARRAYS(X)         \
    X(float, drift)                \
    X(float, volatility)           \
    X(float, cholesky)             \
    X(float, mixing)               \
    X(uint64_t, common_jump_count) \
    X(float, common_jump_mean)     \
    X(float, common_jump_sd)       \
    X(uint64_t, own_jump_count)    \
    X(float, own_jump_mean)        \
    X(float, own_jump_sd)          \
    X(float, shock)                \
    X(int32_t, volatility_row)     \
    X(float, volatility_level)     \
    X(int32_t, depth_row)          \
    X(float, depth_level)          \
    X(int32_t, listed)             \
    X(float, depth)                \
    X(float, alpha)                \
    X(float, band)                 \
    X(float, hard_end)             \
    X(float, refill)               \
    X(float, arbitrage)            \
    X(float, withdrawal)           \
    X(float, withdrawal_decay)     \
    X(float, calm_memory)          \
    X(float, depth_floor)          \
    X(float, permanent)            \
    X(float, mark_weight)          \
    X(float, index_weight)         \
    X(float, monitoring)           \
    X(float, group_rate)           \
    X(float, group_deduction)      \
    X(int32_t, group_partial)      \
    X(float, rows)                 \
    X(float, held)                 \
    X(float, slices)               \
    X(int32_t, group_whole)        \
    X(float, group_keep)           \
    X(int32_t, group_empty)        \
    X(float, edge_fall)            \
    X(float, edge_rise)            \
    X(float, forced_lines)         \
    X(float, tier_notional)        \
    X(float, throughput)           \
    X(float, fee_rate)             \
    X(float, surplus_share)        \
    X(float, fund)                 \
    X(int32_t, adl_policy)         \
    X(float, adl_below)            \
    X(float, adl_drawdown)         \
    X(float, closing_share)

// The arrays of every part; a part that is not there has null pointers.
#define PACKED_ARRAYS(X)            \
    SCENARIO_ARRAYS(X)              \
    ACCOUNT_ARRAYS(X)               \
    FLOW_ARRAYS(X)                  \
    RESPONSE_ARRAYS(X)              \
    PREMIUM_ARRAYS(X)               \
    FUNDING_ARRAYS(X)               \
    MARGIN_RAISE_ARRAYS(X)          \
    EVENT_ARRAYS(X)                 \
    LEVERAGE_ARRAYS(X)              \
    WHALE_ARRAYS(X)                 \
    STOCHASTIC_VOLATILITY_ARRAYS(X) \
    REGIMES_ARRAYS(X)               \
    BOOTSTRAP_ARRAYS(X)             \
    CORRELATION_ARRAYS(X)           \
    ADL_ARRAYS(X)                   \
    MARKING_ARRAYS(X)               \
    WATERFALL_ARRAYS(X)             \
    CLEARING_ARRAYS(X)              \
    COVER_ARRAYS(X)                 \
    FEED_ARRAYS(X)                  \
    HALT_ARRAYS(X)                  \
    OUTAGE_ARRAYS(X)                \
    VAULT_ARRAYS(X)

// Edges of the distance table that the engine was built for; kernels/parts/table holds the rest.
constexpr int TABLE_EDGES = 46;

// The most that the engine holds. Where a thread is a lane, the engine is built for the sizes of one run.
#if !defined(RUN_SIZES)
constexpr int MAX_ASSET = 16, MAX_SLOT = 16, MAX_SOURCE = 8, MAX_EVENT = 8;
constexpr int MAX_PAST = 1024;      // marks at the ends of steps that late feeds need: steps x assets
constexpr int MAX_POT = MAX_ASSET;  // funds of one venue
constexpr int MAX_STEP = 1 << 14, MAX_CLOSING = 64;  // on the heap they grow beyond
#endif

#if !defined(RUN_SCENARIO)
struct PackedScenario {
    int n_step, n_asset, n_venue, n_tier, n_group, process, window_steps, n_mixing, n_cell;
    float step_minutes;
    bool gate;  // false: run every step in full, to show that gating changes nothing
#define DECLARE(type, name) \
    const type* name;       \
    int name##_rows;
    PACKED_ARRAYS(DECLARE)  // rows: entries along the first axis
#undef DECLARE
};
#endif

constexpr int N_COUNTER = 7;
enum Counter { ASSET_STEPS, CALM, ACTIVE, MIXED, ROUNDS, FLUSHES, CUT };

// What a replay takes of one path: cells of every step in full detail, and every round of every cascade.
struct Replay {
    float* cells;    // of the next step
    float* by_tier;  // dollars forced so far at the fill, [asset, side, venue, MAX_TIER]
    int answer;      // how often cascades have gone on within the step
    void* rounds;    // where rounds go: step, asset, answer, round; and their numbers, see `RoundWriter`
    void (*take_round)(void* rounds, const int32_t* place, const float* values);
};

// Simulate `count` paths from `first` on: rows [count, n_cell], status [count]; adds to the counters.
using RunPaths = void (*)(const PackedScenario&, uint64_t seed, uint64_t first, int count, float* rows,
                          uint32_t* status, int64_t* counters, float* trace);

// The same for one path, told in full. Every step is run, as if nothing could be skipped.
using ReplayPath = void (*)(const PackedScenario&, uint64_t seed, uint64_t path, float* row, uint32_t* status,
                            int64_t* counters, Replay*);

#define DECLARE_ISA(isa)                                                                                 \
    namespace isa {                                                                                      \
    void run_paths(const PackedScenario&, uint64_t, uint64_t, int, float*, uint32_t*, int64_t*, float*); \
    void replay_path(const PackedScenario&, uint64_t, uint64_t, float*, uint32_t*, int64_t*, Replay*);   \
    }
DECLARE_ISA(base)
DECLARE_ISA(v3)
DECLARE_ISA(v4)
#undef DECLARE_ISA
