// Overlays in force in one step: same statements as step_numpy.py.
#pragma once

static inline const float* overlay_volatility(const PackedScenario& s, int step) {  // by asset
    return s.volatility_level + s.volatility_row[step] * s.n_asset;
}
static inline vec overlay_depth(const PackedScenario& s, int step, int asset) {
    return load(s.depth_level, s.depth_row[step] * s.n_asset + asset);
}
static inline vec overlay_margin(const PackedScenario& s, int step, int asset, int side) {
    return load(s.margin_raise_level, (s.margin_raise_row[step] * s.n_asset + asset) * 2 + side);
}
static inline const float* overlay_shock(const PackedScenario& s, int step) {  // by asset
    return s.shock + step * s.n_asset;
}
