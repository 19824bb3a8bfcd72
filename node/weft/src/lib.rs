//! A blockchain node that runs EVM transactions in parallel and shows you why they did or did not.
