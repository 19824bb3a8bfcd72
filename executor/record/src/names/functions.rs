//! Functions of the standards that most contracts follow.

use alloy_primitives::{Selector, keccak256};
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// ERC-20, 721, 1155, 4626, 2612, WETH, Uniswap V2 and V3 with their routers, Multicall, proxies, and what tutorials and
/// test contracts call their functions.
const SIGNATURES: &str = "
transfer(address,uint256) transferFrom(address,address,uint256) approve(address,uint256)
balanceOf(address) allowance(address,address) totalSupply() name() symbol() decimals()
increaseAllowance(address,uint256) decreaseAllowance(address,uint256)
permit(address,address,uint256,uint256,uint8,bytes32,bytes32) nonces(address)
mint() mint(address) mint(uint256) mint(address,uint256) mint(uint256,address) mint(address,uint256,bytes)
mint(address,uint256,uint256,bytes) mintBatch(address,uint256[],uint256[],bytes) safeMint(address)
safeMint(address,uint256) safeMint(address,uint256,bytes) safeMint(address,string) mintTo(address) publicMint(uint256)
mintNFT(address,string) claim() claim(uint256) claim(address,uint256) burn(uint256) burn(address,uint256)
burnFrom(address,uint256)
safeTransferFrom(address,address,uint256) safeTransferFrom(address,address,uint256,bytes)
setApprovalForAll(address,bool) ownerOf(uint256) getApproved(uint256) isApprovedForAll(address,address)
tokenURI(uint256) safeTransferFrom(address,address,uint256,uint256,bytes)
safeBatchTransferFrom(address,address,uint256[],uint256[],bytes) balanceOf(address,uint256)
deposit() deposit(uint256) deposit(uint256,address) withdraw() withdraw(uint256)
withdraw(uint256,address,address) redeem(uint256,address,address) depositTo(address) withdrawTo(address,uint256)
swap(uint256,uint256,address,bytes) swap(address,bool,int256,uint160,bytes) mint(address,int24,int24,uint128,bytes)
sync() skim(address) getReserves() burn(address) collect(address,int24,int24,uint128,uint128)
swapExactTokensForTokens(uint256,uint256,address[],address,uint256)
swapTokensForExactTokens(uint256,uint256,address[],address,uint256)
swapExactETHForTokens(uint256,address[],address,uint256)
swapTokensForExactETH(uint256,uint256,address[],address,uint256)
swapExactTokensForETH(uint256,uint256,address[],address,uint256)
swapETHForExactTokens(uint256,address[],address,uint256)
swapExactTokensForTokensSupportingFeeOnTransferTokens(uint256,uint256,address[],address,uint256)
swapExactETHForTokensSupportingFeeOnTransferTokens(uint256,address[],address,uint256)
swapExactTokensForETHSupportingFeeOnTransferTokens(uint256,uint256,address[],address,uint256)
addLiquidity(address,address,uint256,uint256,uint256,uint256,address,uint256)
addLiquidityETH(address,uint256,uint256,uint256,address,uint256)
removeLiquidity(address,address,uint256,uint256,uint256,address,uint256)
exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))
exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))
exactInput((bytes,address,uint256,uint256,uint256)) exactInput((bytes,address,uint256,uint256))
exactOutputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))
execute(bytes,bytes[]) execute(bytes,bytes[],uint256) swap() swap(uint256) swap(uint256,uint256)
aggregate((address,bytes)[]) tryAggregate(bool,(address,bytes)[]) aggregate3((address,bool,bytes)[])
aggregate3Value((address,bool,uint256,bytes)[]) multicall(bytes[]) multicall(uint256,bytes[])
createPair(address,address) createPool(address,address,uint24) initialize() initialize(address)
initialize(address,address) upgradeTo(address) upgradeToAndCall(address,bytes) transferOwnership(address)
renounceOwnership() owner() pause() unpause() grantRole(bytes32,address) revokeRole(bytes32,address)
setGreeting(string) store(uint256) retrieve() increment() inc() increase() decrement() setNumber(uint256)
number() count() counter() set(uint256) get() add(uint256) vote(uint256) bid() play() ping() stake(uint256)
unstake(uint256) getReward() exit() borrow(uint256) repay(uint256) supply(address,uint256,address,uint16)
fulfillRandomWords(uint256,uint256[]) submit(bytes) enter() join() register() register(string) buy(uint256) sell(uint256)
";

/// Signature of a function of the built-in table.
#[must_use]
pub fn known_function(selector: &Selector) -> Option<&'static str> {
    static TABLE: OnceLock<BTreeMap<Selector, &'static str>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let signatures = SIGNATURES.split_whitespace();
        signatures.map(|text| (selector_of(text), text)).collect()
    });
    table.get(selector).copied()
}

/// First four bytes of the hash of a signature.
pub(crate) fn selector_of(signature: &str) -> Selector {
    Selector::from_slice(&keccak256(signature)[..4])
}

/// Whether a function makes new tokens, by its name.
pub(crate) fn is_mint(signature: &str) -> bool {
    let name = signature.split('(').next().unwrap_or_default().to_ascii_lowercase();
    name.contains("mint") || name.starts_with("claim")
}

/// Whether a function moves tokens between accounts, by its name.
pub(crate) fn is_transfer(signature: &str) -> bool {
    let name = signature.split('(').next().unwrap_or_default().to_ascii_lowercase();
    name.contains("transfer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;

    #[test]
    fn well_known_selectors_are_named() {
        for (selector, signature) in [
            ("a9059cbb", "transfer(address,uint256)"),
            ("d0e30db0", "deposit()"),
            ("38ed1739", "swapExactTokensForTokens(uint256,uint256,address[],address,uint256)"),
            ("82ad56cb", "aggregate3((address,bool,bytes)[])"),
            ("d09de08a", "increment()"),
        ] {
            let selector = Selector::from_slice(&hex::decode(selector).unwrap());
            assert_eq!(known_function(&selector), Some(signature));
        }
        assert_eq!(known_function(&Selector::ZERO), None);
    }

    #[test]
    fn every_signature_has_balanced_brackets_and_no_two_share_a_selector() {
        let mut seen = BTreeMap::new();
        for signature in SIGNATURES.split_whitespace() {
            let count = |c| signature.chars().filter(|other| *other == c).count();
            assert_eq!(count('('), count(')'), "{signature}");
            assert!(signature.ends_with(')'), "{signature}");
            let other = seen.insert(selector_of(signature), signature);
            assert_eq!(other, None, "{signature}");
        }
    }
}
