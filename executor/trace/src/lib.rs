//! Runs transactions again under inspectors, for debuggers and explorers.
