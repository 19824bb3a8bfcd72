//! Runs Ethereum transactions on the engine through revm.
