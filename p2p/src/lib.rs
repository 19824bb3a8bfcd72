//! Carries bounded, attributed messages between peers over libp2p.
