#include "kernels/bind.h"

void bind_tally(nanobind::module_&) {}
