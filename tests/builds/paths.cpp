// Paths of packed scenarios, from a file to standard output, by an engine that any compiler may have built.
//
// The file holds, for each run: seed, first path, count, and numbers of a path's trace; the struct
// PackedScenario; and of every array its length in bytes and its bytes. What comes out: rows, statuses,
// counters and traces of each run, and digests of its tally. Every array lies in memory of its own, exactly
// as long, so that what reads beyond is found.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernels/fused.h"
#include "kernels/tally.h"

void try_paths(const PackedScenario&, uint64_t, uint64_t, int, float*, uint32_t*, int64_t*, float*);
int64_t try_tally(const TallyArrays&);

namespace {

constexpr int BINS = 3843;  // N_BIN of kernels.parts.histogram

struct Header {
    uint64_t seed, first;
    int64_t count, trace;
};

void take(void* to, size_t bytes, FILE* file) {
    if (std::fread(to, 1, bytes, file) != bytes) {
        std::fputs("the file ends too early\n", stderr);
        std::exit(2);
    }
}

template <class T> void give(const std::vector<T>& values) {
    if (std::fwrite(values.data(), sizeof(T), values.size(), stdout) != values.size()) std::exit(2);
}

// One array of its own length; null if it has none.
template <class T> const T* array(FILE* file, std::vector<void*>& all) {
    int64_t bytes;
    take(&bytes, sizeof bytes, file);
    if (!bytes) return nullptr;
    void* memory = std::malloc((size_t)bytes);
    take(memory, (size_t)bytes, file);
    all.push_back(memory);
    return (const T*)memory;
}

// The sum of all values, each times an odd number of its own.
template <class T> uint64_t digest(const std::vector<T>& values) {
    uint64_t sum = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += (uint64_t)values[i] * (2 * i + 1);
    return sum;
}

void run(const Header& header, FILE* file) {
    PackedScenario s;
    take(&s, sizeof s, file);
    std::vector<void*> arrays;
#define ARRAY(type, name) s.name = array<type>(file, arrays);
    PACKED_ARRAYS(ARRAY)
#undef ARRAY
    std::vector<int32_t> exponent((size_t)s.n_cell);
    take(exponent.data(), exponent.size() * 4, file);
    const size_t count = (size_t)header.count, cells = (size_t)s.n_cell;
    std::vector<float> rows(count * cells);
    std::vector<uint32_t> status(count);
    std::vector<int64_t> counters(N_COUNTER);
    std::vector<float> trace(count * (size_t)header.trace);
    try_paths(s, header.seed, header.first, (int)count, rows.data(), status.data(), counters.data(),
              trace.data());
    std::vector<int64_t> counts(cells * BINS), remainders(cells * BINS);
    std::vector<uint64_t> sums(cells * 2), squares(cells * 2);
    const TallyArrays tally{rows.data(),       exponent.data(), counts.data(),
                            remainders.data(), sums.data(),     squares.data(),
                            header.count,      (int)s.n_cell,   1};
    const uint64_t bad = (uint64_t)try_tally(tally);
    give(rows), give(status), give(counters), give(trace);
    give(std::vector<uint64_t>{bad, digest(counts), digest(remainders), digest(sums), digest(squares)});
    for (void* memory : arrays) std::free(memory);
}

}  // namespace

int main(int argc, char** argv) {
    FILE* file = argc == 2 ? std::fopen(argv[1], "rb") : nullptr;
    if (!file) return 2;
    for (Header header; std::fread(&header, sizeof header, 1, file) == 1;) run(header, file);
    std::fclose(file);
    return std::fflush(stdout) ? 2 : 0;
}
