// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// What makes blocks wait, one contract for each pattern that the record's advice knows.

contract Counter {
    uint256 public count;

    function increment() external {
        count += 1;
    }
}

/// Every transfer pays a fee into one balance.
contract FeeToken {
    address public constant treasury = 0x7Ea5027e44A1a9D9D0BA4A2AE5a4d1a6b7c8D9e0;
    uint256 public totalSupply;
    mapping(address => uint256) public balanceOf;

    event Transfer(address indexed from, address indexed to, uint256 value);

    function transfer(address to, uint256 value) external returns (bool) {
        uint256 fee = value / 100 + 1;
        balanceOf[to] += value;
        balanceOf[treasury] += fee;
        emit Transfer(msg.sender, to, value);
        emit Transfer(msg.sender, treasury, fee);
        return true;
    }
}

/// A token without a fee: transfers between different people do not meet.
contract Token {
    mapping(address => uint256) public balanceOf;

    event Transfer(address indexed from, address indexed to, uint256 value);

    function transfer(address to, uint256 value) external returns (bool) {
        unchecked {
            balanceOf[msg.sender] -= value;
            balanceOf[to] += value;
        }
        emit Transfer(msg.sender, to, value);
        return true;
    }
}

contract Art {
    uint256 public nextTokenId;
    mapping(uint256 => address) public ownerOf;

    event Transfer(address indexed from, address indexed to, uint256 indexed id);

    function mint(address to) external returns (uint256 id) {
        id = nextTokenId++;
        ownerOf[id] = to;
        emit Transfer(address(0), to, id);
    }
}

contract Pair {
    uint256[8] private before;
    uint112 private reserve0 = 1e15;
    uint112 private reserve1 = 1e15;

    event Sync(uint112 reserve0, uint112 reserve1);

    function swap(uint256 amount0, uint256 amount1, address, bytes calldata) external {
        reserve0 += uint112(amount0);
        reserve1 -= uint112(amount1);
        emit Sync(reserve0, reserve1);
    }
}

/// Hashes for a while: independent work of some weight.
contract Work {
    mapping(address => bytes32) public results;

    function run(uint256 rounds) external {
        bytes32 value = keccak256(abi.encode(msg.sender));
        for (uint256 i = 0; i < rounds; i++) value = keccak256(abi.encode(value));
        results[msg.sender] = value;
    }
}
