// What is kept of a step of a traced path: same fields as trace_numpy.py.
#pragma once

// Writes the cells of a step, in the order of `FIELDS`.
struct TraceWriter {
    float* cell;
    int n_venue;
    void put(float x) { *cell++ = x; }
    void put(vec x) {
        for (int v = 0; v < n_venue; ++v) put((float)x[v]);
    }
};
