// Sixteen threads in lock step without a GPU: fibers that take turns, and meet wherever lanes look at each
// other.
//
// The form of the engine in which a thread is a lane, run as a GPU would run half a warp. Every meeting
// is checked: all sixteen must come to it, for the same kind of exchange. What a GPU leaves undefined is an
// error here.
#include <csetjmp>
#include <cstddef>
#include <cstring>
#include <vector>

#include <ucontext.h>

#if defined(FOR_ONE_RUN)
#include "run.h"
#else
#define RUN_SIZES
constexpr int MAX_ASSET = 16, MAX_SLOT = 16, MAX_SOURCE = 8, MAX_EVENT = 8, MAX_PAST = 1024,
              MAX_POT = MAX_ASSET;
constexpr int MAX_STEP = 1 << 12, MAX_CLOSING = 1 << 14;
#endif

#include "kernels/fused.h"

namespace {

constexpr int N_LANE = 16;
constexpr size_t STACK = 1 << 23;

struct Fiber {
    ucontext_t first;
    jmp_buf at;
    std::vector<char> stack;
    bool begun;
    int64_t meetings;
};

// What the lanes bring to a meeting. Two boards: who is first may come to the next while others leave this
// one.
struct Board {
    uint32_t word[N_LANE];
    int kind[N_LANE];
    int64_t meeting[N_LANE];
};

Fiber fibers[N_LANE];
Board boards[2];
int current;
jmp_buf home;
enum { FINISHED = 1, APART = 2 };

void enter(int lane) {
    current = lane;
    if (fibers[lane].begun) _longjmp(fibers[lane].at, 1);
    fibers[lane].begun = true;
    setcontext(&fibers[lane].first);
}

void next() {
    const int lane = current;
    if (_setjmp(fibers[lane].at) == 0) enter((lane + 1) % N_LANE);
}

const uint32_t* meet(uint32_t word, int kind) {
    Fiber& me = fibers[current];
    Board& board = boards[me.meetings % 2];
    const int64_t meeting = ++me.meetings;
    board.word[current] = word;
    board.kind[current] = kind;
    board.meeting[current] = meeting;
    next();
    for (int lane = 0; lane < N_LANE; ++lane)
        if (board.kind[lane] != kind || board.meeting[lane] != meeting) _longjmp(home, APART);
    return board.word;
}

int own_lane() { return current; }
uint32_t exchange(uint32_t x, int lane) { return meet(x, lane)[lane]; }
uint32_t exchange_xor(uint32_t x, int mask) { return meet(x, 100 + mask)[own_lane() ^ mask]; }
uint32_t ballot(bool x) {
    const uint32_t* words = meet(x, 200);
    uint32_t bits = 0;
    for (int lane = 0; lane < N_LANE; ++lane) bits |= words[lane] << lane;
    return bits;
}
int first_lane(uint32_t mask) {
    int lane = 0;
    while (!(mask >> lane & 1)) ++lane;
    return lane;
}
int count_lanes(uint32_t mask) {
    int n = 0;
    for (; mask; mask &= mask - 1) ++n;
    return n;
}
float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
float root(float x) { return __builtin_sqrtf(x); }

#include "kernels/parts/lanes/lanes_one_fused.h"
#include "kernels/path_fused.h"

#include "kernels/cuda/carry_fused.h"

// The same sixteen as a group that shares memory: nobody else runs between two meetings.
constexpr int N_THREAD = N_LANE;
int own_thread() { return current; }
void barrier() { meet(0, 400); }
template <class T> T add_to(T* word, T x) {
    const T before = *word;
    *word += x;
    return before;
}
void raise_to(uint32_t* word, uint32_t x) {
    if (*word < x) *word = x;
}

#include "kernels/cuda/tally_fused.h"

struct Job {
    const PackedScenario* scenario;
    uint64_t seed, first;
    const uint64_t* which;
    int count;
    float* rows;
    uint32_t* status;
    int64_t* counters;
};
Job job;

void leave(int lane) {
    meet(0, 300);  // nobody leaves alone
    if (lane == N_LANE - 1) _longjmp(home, FINISHED);
    next();
}

// Memory that nobody has set is no number, as it may be on a GPU.
__attribute__((noinline)) void soil_stack() {
    volatile char room[STACK / 2];
    for (size_t i = 0; i < sizeof room; ++i) room[i] = (char)0xff;
}

void carry() {
    const int lane = current;
    soil_stack();
    int64_t counters[N_COUNTER] = {};
    carry_paths(*job.scenario, job.seed, job.first, job.which, job.count, 0, 1, job.rows, job.status,
                counters);
    for (int c = 0; c < N_COUNTER && lane == 0; ++c) job.counters[c] += counters[c];
    leave(lane);
}

struct TallyJob {
    Rows rows;
    const int32_t* exponent;
    Counted total;
    Lists lists;
    Subsets subsets;
    int group;
};
TallyJob tally_job;
Shared shared;

void tally() {
    const int lane = current;
    const TallyJob& t = tally_job;
    tally_rows(t.group, t.rows, t.exponent, t.total, t.lists, t.subsets, shared);
    leave(lane);
}

// One lane takes a branch of its own, and misses a sum.
void stray() {
    const int lane = current;
    float sum = lane_sum(splat(1.0f));
    if (lane != 3) sum += lane_sum(splat(sum));
    leave(lane);
}

int in_lock_step(void (*each)()) {
    for (int lane = 0; lane < N_LANE; ++lane) {
        Fiber& f = fibers[lane];
        f.stack.resize(STACK);
        f.begun = false;
        f.meetings = 0;
        getcontext(&f.first);
        f.first.uc_stack.ss_sp = f.stack.data();
        f.first.uc_stack.ss_size = STACK;
        f.first.uc_link = nullptr;
        makecontext(&f.first, each, 0);
    }
    const int end = _setjmp(home);
    if (end == 0) enter(0);
    return end == FINISHED ? 0 : 1;
}

}  // namespace

extern "C" int scenario_bytes() { return sizeof(PackedScenario); }

// Paths `which`, or from `first` on; adds to the counters. 0 when all went well, 1 when lanes went apart.
extern "C" int run_lanes(const PackedScenario* scenario, uint64_t seed, uint64_t first, const uint64_t* which,
                         int count, float* rows, uint32_t* status, int64_t* counters) {
    job = {scenario, seed, first, which, count, rows, status, counters};
    return in_lock_step(carry);
}

// Groups of threads for all cells and lists and for the venues, one after the other; see
// kernels/cuda/tally_fused.h.
extern "C" int run_tally(int n_group, const float* rows, const uint32_t* status, int count, int n_cell,
                         const int32_t* exponent, uint64_t* counts, uint64_t* remainders, uint64_t* sums,
                         uint64_t* squares, uint64_t* bad, int n_list, const int32_t* worst_cell,
                         uint32_t* worst_least, float* worst_loss, int32_t* worst_path, int n_venue,
                         const int32_t* exhaustion_cell, uint64_t* exhausted) {
    for (int group = n_group - 1; group >= 0; --group) {
        std::memset((void*)&shared, 0xff, sizeof shared);  // as it may be on a GPU
        tally_job = {{rows, status, count, n_cell},
                     exponent,
                     {counts, remainders, sums, squares, bad},
                     {n_list, worst_cell, worst_least, worst_loss, worst_path},
                     {n_venue, exhaustion_cell, exhausted},
                     group};
        if (in_lock_step(tally)) return 1;
    }
    return 0;
}

extern "C" int run_stray() { return in_lock_step(stray); }
