// The fused engine as Python sees it: a scenario bound once, ranges of paths run over threads.
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "kernels/bind.h"
#include "kernels/fused.h"

namespace nb = nanobind;

namespace {

constexpr int CHUNK = 16;  // paths a thread takes at a time
constexpr int TIERS = 8;   // of one market, as the engine pads them

struct Variant {
    const char* name;
    RunPaths run;
    ReplayPath replay;
};

// Instruction sets that this processor has, best first.
std::vector<Variant> variants() {
    std::vector<Variant> found;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("x86-64-v4")) found.push_back({"x86-64-v4", v4::run_paths, v4::replay_path});
    if (__builtin_cpu_supports("x86-64-v3")) found.push_back({"x86-64-v3", v3::run_paths, v3::replay_path});
#endif
    found.push_back({"base", base::run_paths, base::replay_path});
    return found;
}

Variant choose(const std::string& isa) {
    for (const Variant& v : variants())
        if (isa.empty() || isa == v.name) return v;
    throw nb::value_error(("this processor has no instruction set " + isa).c_str());
}

class Engine {
   public:
    Engine(nb::dict arrays, nb::dict counts, float step_minutes, bool gate, const std::string& isa)
        : keep_(arrays), engine_(choose(isa)) {
        const auto count = [&](const char* name) { return nb::cast<int>(counts[name]); };
        s_.n_step = count("n_step");
        s_.n_asset = count("n_asset");
        s_.n_venue = count("n_venue");
        s_.n_tier = count("n_tier");
        s_.n_group = count("n_group");
        s_.process = count("process");
        s_.window_steps = count("window_steps");
        s_.n_mixing = count("n_mixing");
        s_.n_cell = count("n_cell");
        n_trace_ = count("n_trace");
        n_detail_ = count("n_detail");
        s_.step_minutes = step_minutes;
        s_.gate = gate;
#define BIND(type, name)                                                                                    \
    {                                                                                                       \
        const auto array = nb::cast<nb::ndarray<const type, nb::c_contig, nb::device::cpu>>(arrays[#name]); \
        s_.name = array.size() ? array.data() : nullptr;                                                    \
        s_.name##_rows = (int)array.shape(0);                                                               \
    }
        PACKED_ARRAYS(BIND)
#undef BIND
        const auto edges =
            nb::cast<nb::ndarray<const float, nb::c_contig, nb::device::cpu>>(arrays["edge_fall"]);
        if (edges.size() != TABLE_EDGES)
            throw nb::value_error("the compiled engine is older than the Python beside it: install again");
    }

    void run(uint64_t seed, uint64_t first,
             nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu> rows,
             nb::ndarray<uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> status,
             nb::ndarray<int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> counters,
             nb::ndarray<float, nb::ndim<3>, nb::c_contig, nb::device::cpu> trace, int n_thread) {
        const int64_t count = (int64_t)rows.shape(0);
        if ((int64_t)rows.shape(1) != s_.n_cell || (int64_t)status.shape(0) != count ||
            counters.shape(0) != N_COUNTER)
            throw nb::value_error("rows, status and counters do not fit the scenario");
        // Nothing is traced where there is no room for it.
        const bool traced = trace.shape(0) > 0;
        const int64_t n_trace = (int64_t)s_.n_step * n_trace_;
        if (traced &&
            ((int64_t)trace.shape(0) != count || (int64_t)(trace.shape(1) * trace.shape(2)) != n_trace))
            throw nb::value_error("the trace does not fit the scenario");
        float* cells = trace.data();
        float* row = rows.data();
        uint32_t* state = status.data();
        int64_t* total = counters.data();
        nb::gil_scoped_release release;
        std::atomic<int64_t> next{0};
        std::vector<std::vector<int64_t>> work(n_thread, std::vector<int64_t>(N_COUNTER, 0));
        const auto worker = [&](int id) {
            for (int64_t at; (at = next.fetch_add(CHUNK)) < count;) {
                const int size = (int)(count - at < CHUNK ? count - at : CHUNK);
                engine_.run(s_, seed, first + at, size, row + at * s_.n_cell, state + at, work[id].data(),
                            traced ? cells + at * n_trace : nullptr);
            }
        };
        std::vector<std::thread> threads;
        for (int id = 1; id < n_thread; ++id) threads.emplace_back(worker, id);
        worker(0);
        for (std::thread& t : threads) t.join();
        for (const auto& w : work)
            for (int c = 0; c < N_COUNTER; ++c) total[c] += w[c];
    }

    // One path in full: cells [step, n_detail]; returns place [round, 4] and numbers [round, 1 + 5 x venue].
    nb::tuple replay(uint64_t seed, uint64_t path,
                     nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu> row,
                     nb::ndarray<uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> status,
                     nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu> cells) {
        if ((int64_t)row.shape(0) != s_.n_cell || status.shape(0) != 1 ||
            (int64_t)cells.shape(0) != s_.n_step || (int64_t)cells.shape(1) != n_detail_)
            throw nb::value_error("row, status and cells do not fit the scenario");
        Rounds rounds{1 + 5 * (size_t)s_.n_venue, {}, {}};
        std::vector<float> by_tier((size_t)(s_.n_asset * 2 * s_.n_venue * TIERS));
        Replay told{cells.data(), by_tier.data(), 0, &rounds, Rounds::take};
        PackedScenario whole = s_;
        whole.gate = false;
        int64_t counters[N_COUNTER] = {};
        float* numbers = row.data();
        uint32_t* state = status.data();
        {
            nb::gil_scoped_release release;
            engine_.replay(whole, seed, path, numbers, state, counters, &told);
        }
        const auto bytes = [](const auto& list) {
            return nb::bytes((const char*)list.data(), list.size() * sizeof list[0]);
        };
        return nb::make_tuple(bytes(rounds.place), bytes(rounds.values));
    }

   private:
    // What a replay says of rounds, as long as it gets.
    struct Rounds {
        size_t n_value;
        std::vector<int32_t> place;
        std::vector<float> values;
        static void take(void* to, const int32_t* place, const float* values) {
            Rounds& rounds = *(Rounds*)to;
            rounds.place.insert(rounds.place.end(), place, place + 4);
            rounds.values.insert(rounds.values.end(), values, values + rounds.n_value);
        }
    };

    nb::dict keep_;
    Variant engine_;
    PackedScenario s_;
    int n_trace_, n_detail_;  // cells of a traced step, and of one told in full
};

std::vector<std::string> array_names() {
    std::vector<std::string> names;
#define NAME(type, name) names.emplace_back(#name);
    PACKED_ARRAYS(NAME)
#undef NAME
    return names;
}

std::vector<std::string> isas() {
    std::vector<std::string> names;
    for (const Variant& v : variants()) names.emplace_back(v.name);
    return names;
}

}  // namespace

void bind_engine(nb::module_& m) {
    m.def("array_names", &array_names, "Arrays of the packed scenario, in order.");
    m.def("isas", &isas, "Instruction sets of this processor that the engine was built for, best first.");
    nb::class_<Engine>(m, "Engine")
        .def(nb::init<nb::dict, nb::dict, float, bool, const std::string&>(), nb::arg("arrays"),
             nb::arg("counts"), nb::arg("step_minutes"), nb::arg("gate"), nb::arg("isa"))
        .def("run", &Engine::run, nb::arg("seed"), nb::arg("first"), nb::arg("rows"), nb::arg("status"),
             nb::arg("counters"), nb::arg("trace"), nb::arg("n_thread"))
        .def("replay", &Engine::replay, nb::arg("seed"), nb::arg("path"), nb::arg("row"), nb::arg("status"),
             nb::arg("cells"));
}
