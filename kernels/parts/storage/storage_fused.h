// Memory of a path whose length is the run's: on the heap, or, where a thread is a lane, in arrays of the
// length that the engine was built for: spread over the lanes, or whole where a thread has all of them.
#pragma once

#if defined(ONE_LANE) || defined(WHOLE_THREAD)
// An array that every thread has a copy of.
template <class T, int MOST> class Rooms {
   public:
    void make(int n) {
        for (int i = 0; i < n; ++i) at[i] = T{};
    }
    T& operator[](int i) { return at[i]; }

   private:
    T at[MOST];
};
#endif

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

// What a venue's lane keeps, read by all and written where it is.
template <class T> class Spot {
   public:
    Spot(T& own, int lane) : own(own), lane(lane) {}
    operator T() const { return from_lane(own, lane); }
    Spot& operator=(const T& value) {
        if (own_lane() == lane) own = value;
        return *this;
    }
    Spot& operator=(const Spot& other) { return *this = (T)other; }
    void operator+=(const T& value) {
        if (own_lane() == lane) own = own + value;
    }
    auto operator[](int i) const { return Spot<typename T::Item>(own.at[i], lane); }

   private:
    T& own;
    int lane;
};

// One entry for each venue.
template <class T> class ByVenue {
   public:
    typedef Spot<T> Entry;
    T operator[](int v) const { return from_lane(own, v); }
    Entry operator[](int v) { return {own, v}; }

   private:
    T own;
};

// N entries for each venue.
template <class T, int N> class RowByVenue {
   public:
    class Row {
       public:
        Row(T* own, int lane) : own(own), lane(lane) {}
        Spot<T> operator[](int i) const { return {own[i], lane}; }

       private:
        T* own;
        int lane;
    };
    Row operator[](int v) { return {own, v}; }

   private:
    T own[N];
};

static inline void add_tiers(Spot<tiers> sum, const tiers& t) { sum += t; }

// One number of an outcome row, the same in every lane.
static inline void put_cell(float* row, int cell, float x) {
    if (own_lane() == cell % LANES) row[cell] = x;
}

#else

#if defined(WHOLE_THREAD)

template <class T, int MOST> class Strip {
   public:
    explicit Strip(int) {}
    const T& operator[](int i) const { return at[i]; }
    void set(int i, const T& value) { at[i] = value; }
    bool hold(int n) { return n < MOST; }

   private:
    T at[MOST];
};

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

#endif

template <class T> class ByVenue {
   public:
    typedef T& Entry;
    const T& operator[](int v) const { return at[v]; }
    T& operator[](int v) { return at[v]; }

   private:
    T at[LANES];
};

template <class T, int N> class RowByVenue {
   public:
    typedef T* Row;
    T* operator[](int v) { return at[v]; }

   private:
    T at[LANES][N];
};

static inline void add_tiers(tiers& sum, tiers t) { sum = sum + t; }

static inline void put_cell(float* row, int cell, float x) { row[cell] = x; }

#endif
