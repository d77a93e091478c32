#include "kernels/bind.h"

namespace base {
int lanes();
}
#if defined(__x86_64__)
namespace v3 {
int lanes();
}
namespace v4 {
int lanes();
}
#endif

namespace {

int lanes() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("x86-64-v4")) return v4::lanes();
    if (__builtin_cpu_supports("x86-64-v3")) return v3::lanes();
#endif
    return base::lanes();
}

}  // namespace

void bind_engine(nanobind::module_& m) { m.def("lanes", &lanes, "Numbers of 32 bits in a vector register."); }
