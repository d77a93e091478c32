// Memory of a path whose length is the run's: on the heap, or, where a thread is a lane, in arrays of the
// length that the engine was built for, spread over the lanes.
#pragma once

#if defined(ONE_LANE)

// A list of which every lane keeps each sixteenth entry.
template <class T, int MOST> class Strip {
   public:
    explicit Strip(int) {}
    T operator[](int i) const { return from_lane(own[i / LANES], i % LANES); }
    void set(int i, const T& value) {
        if (own_lane() == i % LANES) own[i / LANES] = value;
    }
    // Whether there is room for more than `n` entries.
    bool hold(int n) { return n < MOST; }

   private:
    T own[(MOST + LANES - 1) / LANES];
};

// An array that every lane has a copy of.
template <class T, int MOST> class Rooms {
   public:
    void make(int n) {
        for (int i = 0; i < n; ++i) at[i] = T{};
    }
    T& operator[](int i) { return at[i]; }

   private:
    T at[MOST];
};

// One number of an outcome row, the same in every lane.
static inline void put_cell(float* row, int cell, float x) {
    if (own_lane() == cell % LANES) row[cell] = x;
}

#else

template <class T, int> class Strip {
   public:
    explicit Strip(int n) : at(new T[n]), room(n) {}
    ~Strip() { delete[] at; }
    Strip(const Strip&) = delete;
    Strip& operator=(const Strip&) = delete;
    const T& operator[](int i) const { return at[i]; }
    void set(int i, const T& value) { at[i] = value; }
    bool hold(int n) {
        if (n < room) return true;
        T* larger = new T[2 * room];
        for (int i = 0; i < room; ++i) larger[i] = at[i];
        delete[] at;
        at = larger;
        room *= 2;
        return true;
    }

   private:
    T* at;
    int room;
};

template <class T, int> class Rooms {
   public:
    Rooms() = default;
    ~Rooms() { delete[] at; }
    Rooms(const Rooms&) = delete;
    Rooms& operator=(const Rooms&) = delete;
    void make(int n) { at = new T[n](); }
    T& operator[](int i) { return at[i]; }

   private:
    T* at = nullptr;
};

static inline void put_cell(float* row, int cell, float x) { row[cell] = x; }

#endif
