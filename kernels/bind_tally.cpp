// Tallies of the fused engine: `kernels._fused.tally_add`, the GIL released.

#include <nanobind/ndarray.h>

#include <stdexcept>
#include <thread>

#include "kernels/bind.h"
#include "kernels/tally.h"

namespace nb = nanobind;

namespace {

constexpr int bins = 3843;  // N_BIN of kernels.parts.histogram

using Rows = nb::ndarray<const float, nb::shape<-1, -1>, nb::c_contig, nb::device::cpu>;
using Exponents = nb::ndarray<const int32_t, nb::shape<-1>, nb::c_contig, nb::device::cpu>;
using Histograms = nb::ndarray<int64_t, nb::shape<-1, bins>, nb::c_contig, nb::device::cpu>;
using Moments = nb::ndarray<uint64_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;

int64_t dispatch(const TallyArrays& arrays) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("x86-64-v4")) return v4::tally_add(arrays);
    if (__builtin_cpu_supports("x86-64-v3")) return v3::tally_add(arrays);
#endif
    return base::tally_add(arrays);
}

int64_t tally_add(Rows rows, Exponents exponent, Histograms counts, Histograms remainders, Moments sums,
                  Moments squares, int n_thread) {
    const size_t n = rows.shape(1);
    if (exponent.shape(0) != n || counts.shape(0) != n || remainders.shape(0) != n || sums.shape(0) != n ||
        squares.shape(0) != n)
        throw std::invalid_argument("rows and tally differ in their number of cells");
    if (n_thread <= 0) n_thread = int(std::thread::hardware_concurrency());
    const TallyArrays arrays{rows.data(), exponent.data(), counts.data(),          remainders.data(),
                             sums.data(), squares.data(),  int64_t(rows.shape(0)), int(n),
                             n_thread};
    nb::gil_scoped_release release;
    return dispatch(arrays);
}

}  // namespace

void bind_tally(nb::module_& m) {
    m.def("tally_add", &tally_add, nb::arg("rows"), nb::arg("exponent"), nb::arg("counts"),
          nb::arg("remainders"), nb::arg("sums"), nb::arg("squares"), nb::arg("n_thread") = 0,
          "Count rows [path, cell] into histograms and moments [cell, ...], in place; see\n"
          "kernels.parts.histogram. Returns how many values were negative or not finite;\n"
          "if there was one, the tally is spoiled.");
}
