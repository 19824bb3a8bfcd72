//! Speaks Ethereum JSON-RPC and WebSocket, and serves the records.
