// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Sells numbered tickets. The number comes from one counter.
contract Tickets {
    uint256 public sold;
    mapping(uint256 => address) public ownerOf;

    event Bought(address indexed buyer, uint256 indexed ticket);

    function buy() external returns (uint256 ticket) {
        sold += 1;
        ticket = sold;
        ownerOf[ticket] = seat(msg.sender);
        emit Bought(msg.sender, ticket);
    }

    /// Stands for the work of a real sale: prices, signatures, a seat.
    function seat(address buyer) internal pure returns (address) {
        bytes32 code = bytes32(uint256(uint160(buyer)));
        for (uint256 i = 0; i < 200; i++) code = keccak256(abi.encode(code));
        return code == 0 ? address(0) : buyer;
    }
}
