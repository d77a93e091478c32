// What deleveraged winners forgo some time later: same statements as report_numpy.py.
#pragma once

constexpr int N_HORIZON = 4;
constexpr float HORIZONS[N_HORIZON] = {0.0f, 5.0f, 30.0f, 60.0f};  // minutes

// Winners' positions closed in one market and step; signed, see `Closings.add`.
struct Closing {
    int step, asset, venue;
    float coins, dollars;
};

// Closings of a path in order, and how far each horizon has looked back at them.
class Closings {
   public:
    float forgone[N_HORIZON][LANES], needed[LANES], hedged[LANES];
    bool lost;  // there was no room for some

    explicit Closings(const PackedScenario& s) : list(MAX_CLOSING), n_step(s.n_step) {
        for (int h = 1; h < N_HORIZON; ++h) {
            const int steps = (int)(HORIZONS[h] / s.step_minutes + 0.5f);
            wait[h] = steps > 1 ? steps : 1;
        }
    }

    void begin() {
        std::memset(forgone, 0, sizeof forgone);
        std::memset(needed, 0, sizeof needed);
        std::memset(hedged, 0, sizeof hedged);
        for (int h = 0; h < N_HORIZON; ++h) seen[h] = 0;
        count = 0;
        lost = false;
    }

    void add(const Closing& closing) {
        if (list.hold(count))
            list.set(count++, closing);
        else
            lost = true;
    }

    // Something was closed that not every horizon has looked back at.
    bool open() const { return seen[N_HORIZON - 1] < count; }

    // `price(asset, venue)` is the traded price at the end of the step.
    template <class Price> void look_back(int step, Price price) {
        for (int h = 1; h < N_HORIZON; ++h)
            for (; seen[h] < count; ++seen[h]) {
                const Closing c = list[seen[h]];
                if (c.step + wait[h] > step && step + 1 < n_step) break;
                forgone[h][c.venue] += c.dollars - c.coins * price(c.asset, c.venue);
            }
    }

   private:
    Strip<Closing, MAX_CLOSING> list;
    int count = 0, seen[N_HORIZON], wait[N_HORIZON], n_step;
};
