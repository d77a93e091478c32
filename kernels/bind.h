// What the extension module `kernels._fused` is put together from.
#pragma once

#include <nanobind/nanobind.h>

void bind_engine(nanobind::module_& m);
void bind_tally(nanobind::module_& m);
