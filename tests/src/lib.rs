//! Whole-system tests: equivalence, simulation, recovery, real clients.
