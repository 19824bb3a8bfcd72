//! An idle network costs next to nothing. Alone in its file, because it measures its process.

use std::fs;
use std::time::Duration;
use weft_p2p::{Keypair, NetworkConfig, start};
use weft_types::B256;

/// Processor time of this process so far, in seconds.
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

#[tokio::test]
async fn four_idle_nodes_use_less_than_two_percent_of_a_core() {
    let mut nodes = Vec::new();
    for _ in 0..4 {
        let listen = "/ip4/127.0.0.1/tcp/0".parse().unwrap();
        let config = NetworkConfig {
            persistent_peers: nodes
                .iter()
                .filter_map(|(handle, _): &(weft_p2p::Handle, _)| handle.dial_address())
                .collect(),
            devnet: true,
            ..NetworkConfig::new(Keypair::generate_ed25519(), listen, B256::ZERO)
        };
        nodes.push(start(config).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(nodes.iter().all(|(handle, _)| handle.peers().len() == 3));
    let before = processor_seconds();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let share = (processor_seconds() - before) / 3.0;
    assert!(share < 0.02, "four idle nodes use {:.2} % of a core", share * 100.0);
}
