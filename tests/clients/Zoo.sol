// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// What a zoo creates.
contract Egg {
    address public immutable parent = msg.sender;
    uint256 public weight = 7;
}

/// What can happen to a call: events, storage, failures of every kind, creations, calls in calls.
contract Zoo {
    uint256 public count;
    mapping(address => uint256) public visits;
    Egg public child;

    event Visited(address indexed who, uint256 indexed number, bytes note);

    error Refused(address who, uint256 number);

    function visit(bytes calldata note) external payable {
        count += 1;
        visits[msg.sender] += 1;
        emit Visited(msg.sender, count, note);
    }

    function store(uint256 from, uint256 number) external {
        for (uint256 i = 0; i < number; i++) visits[address(uint160(from + i))] = i + 1;
    }

    function clear(uint256 from, uint256 number) external {
        for (uint256 i = 0; i < number; i++) delete visits[address(uint160(from + i))];
    }

    function refuse() external view {
        revert Refused(msg.sender, count);
    }

    function say(string calldata why) external pure {
        revert(why);
    }

    function divide(uint256 a, uint256 b) external pure returns (uint256) {
        return a / b;
    }

    function hatch() external {
        child = new Egg();
    }

    function attempt(bytes calldata input) external returns (bool done) {
        (done,) = address(this).call(input);
        visits[msg.sender] += done ? 100 : 1000;
    }

    function burn(uint256 rounds) external view returns (bytes32 hash) {
        for (uint256 i = 0; i < rounds; i++) hash = keccak256(abi.encode(hash, i, gasleft()));
    }

    function send(address payable to, uint256 value) external payable {
        (bool done,) = to.call{value: value}("");
        require(done, "not sent");
    }

    receive() external payable {}
}
