"""The figures of a report, by topic: each is made from a `Subject`; None where there is nothing to show."""
