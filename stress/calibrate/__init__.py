"""From records of a market to parts of a config: what the command `stress calibrate` does.

    rows, prices     files of a user's, read and checked, every mistake at its file:line
    intervals        what an estimate is: a number, its standard error, its interval
    moments          volatilities, correlations, betas
    student, jumps, regimes, clustering, blocks     parameters of the exogenous processes
    book             shape and depth of an order book, from what stands within bands
    mix              a leverage mix, by simulated moments
    study, part      all of it in order; the YAML that comes out

docs/methods/calibration.md. Everything is imported when it is first used.
"""
