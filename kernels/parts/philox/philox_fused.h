// Philox4x32-10: one counter, or sixteen that differ in the step. Same words as philox_numpy.py.
#pragma once

constexpr uint32_t PHILOX_M0 = 0xD2511F53u, PHILOX_M1 = 0xCD9E8D57u;
constexpr uint32_t PHILOX_W0 = 0x9E3779B9u, PHILOX_W1 = 0xBB67AE85u;

static inline uint32_t high_product(uint32_t a, uint32_t b) { return (uint32_t)(((uint64_t)a * b) >> 32); }

template <class U> static inline void philox(U c[4], uint32_t k0, uint32_t k1) {
    for (int round = 0; round < 10; ++round) {
        const U high0 = high_product(c[0], PHILOX_M0), low0 = c[0] * PHILOX_M0;
        const U high1 = high_product(c[2], PHILOX_M1), low1 = c[2] * PHILOX_M1;
        c[0] = high1 ^ c[1] ^ (U{} + k0);
        c[1] = low1;
        c[2] = high0 ^ c[3] ^ (U{} + k1);
        c[3] = low0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
}

// Identity of a path's draws.
struct Draw {
    uint64_t seed;
    uint64_t path;

    template <class U> void words(U step, uint32_t site, uint32_t block, U out[4]) const {
        out[0] = U{} + (uint32_t)path;
        out[1] = U{} + (uint32_t)(path >> 32);
        out[2] = step;
        out[3] = U{} + (site << 16 | block);
        philox(out, (uint32_t)seed, (uint32_t)(seed >> 32));
    }
};
