// Compiled once for every instruction set; everything lies in a namespace of that name.

namespace ISA {

int lanes() {
#if defined(__AVX512F__)
    return 16;
#elif defined(__AVX2__)
    return 8;
#else
    return 4;
#endif
}

}  // namespace ISA
