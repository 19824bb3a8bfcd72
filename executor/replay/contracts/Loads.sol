// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

// The contracts of the made blocks. They have no constructors and no immutables: a load writes their storage itself, so
// every instance of a contract has the same code. The order of the variables is part of that agreement.

/// An ERC-20 as usual: checked balances, allowances and events.
contract Token {
    mapping(address => uint256) public balanceOf; // slot 0
    mapping(address => mapping(address => uint256)) public allowance; // slot 1
    uint256 public totalSupply; // slot 2

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    error InsufficientBalance(address account, uint256 have, uint256 want);
    error InsufficientAllowance(address owner, address spender, uint256 have, uint256 want);

    function transfer(address to, uint256 value) external returns (bool) {
        move(msg.sender, to, value);
        return true;
    }

    function approve(address spender, uint256 value) external returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed < value) revert InsufficientAllowance(from, msg.sender, allowed, value);
        if (allowed != type(uint256).max) allowance[from][msg.sender] = allowed - value;
        move(from, to, value);
        return true;
    }

    function move(address from, address to, uint256 value) private {
        uint256 have = balanceOf[from];
        if (have < value) revert InsufficientBalance(from, have, value);
        balanceOf[from] = have - value;
        balanceOf[to] += value;
        emit Transfer(from, to, value);
    }
}

/// A pool of two tokens under the constant-product rule with a fee of 0.3 %, a guard against reentrance, a history of
/// cumulative prices with one entry a block, and totals of volume and fees.
contract Pair {
    address public token0; // slot 0
    address public token1; // slot 1
    uint128 public reserve0; // slot 2, lower half
    uint128 public reserve1; // slot 2, upper half
    uint256 public priceCumulative0; // slot 3
    uint256 public priceCumulative1; // slot 4
    uint256 public locked; // slot 5: 1 when free, 2 inside
    uint256 public lastTime; // slot 6
    mapping(uint256 => uint256) public history; // slot 7: by time
    uint256 public volume0; // slot 8
    uint256 public volume1; // slot 9
    uint256 public fees; // slot 10: of both tokens, in fractions of the reserves

    event Swap(address indexed sender, uint256 in0, uint256 in1, uint256 out0, uint256 out1, address indexed to);
    event Sync(uint128 reserve0, uint128 reserve1);

    error Locked();
    error InsufficientLiquidity(uint256 have, uint256 want);
    error ProductDecreased(uint256 before, uint256 found);

    /// Sends `out0` and `out1` to `to`, and then asks whether enough came in.
    function swap(uint256 out0, uint256 out1, address to) external {
        if (locked == 2) revert Locked();
        locked = 2;
        (uint256 old0, uint256 old1) = (reserve0, reserve1);
        if (out0 >= old0) revert InsufficientLiquidity(old0, out0);
        if (out1 >= old1) revert InsufficientLiquidity(old1, out1);
        if (out0 > 0) Token(token0).transfer(to, out0);
        if (out1 > 0) Token(token1).transfer(to, out1);
        uint256 new0 = Token(token0).balanceOf(address(this));
        uint256 new1 = Token(token1).balanceOf(address(this));
        uint256 in0 = new0 > old0 - out0 ? new0 - (old0 - out0) : 0;
        uint256 in1 = new1 > old1 - out1 ? new1 - (old1 - out1) : 0;
        uint256 product = (new0 * 1000 - in0 * 3) * (new1 * 1000 - in1 * 3);
        uint256 demanded = old0 * old1 * 1_000_000;
        if (product < demanded) revert ProductDecreased(demanded, product);
        volume0 += in0 + out0;
        volume1 += in1 + out1;
        fees += ((in0 << 64) / old0 + (in1 << 64) / old1) * 3 / 1000;
        sync(old0, old1, new0, new1);
        emit Swap(msg.sender, in0, in1, out0, out1, to);
        locked = 1;
    }

    function sync(uint256 old0, uint256 old1, uint256 new0, uint256 new1) private {
        uint256 passed = block.timestamp - lastTime;
        if (passed > 0) {
            priceCumulative0 += ((old1 << 64) / old0) * passed;
            priceCumulative1 += ((old0 << 64) / old1) * passed;
            history[block.timestamp] = priceCumulative0;
            lastTime = block.timestamp;
        }
        (reserve0, reserve1) = (uint128(new0), uint128(new1));
        emit Sync(uint128(new0), uint128(new1));
    }
}

/// Where users trade: computes the amount, moves the tokens in, and asks the pool to send the others out.
contract Router {
    error Expired(uint256 deadline);
    error TooLittle(uint256 found, uint256 demanded);

    /// Sells exactly `amountIn` of the pair's token 0 (or of token 1, if `reverse`) for at least `outMin` of the other.
    function swapExact(address pair, bool reverse, uint256 amountIn, uint256 outMin, address to, uint256 deadline)
        external
        returns (uint256 amountOut)
    {
        if (block.timestamp > deadline) revert Expired(deadline);
        Pair pool = Pair(pair);
        (uint256 reserveIn, uint256 reserveOut) = (pool.reserve0(), pool.reserve1());
        if (reverse) (reserveIn, reserveOut) = (reserveOut, reserveIn);
        uint256 net = amountIn * 997;
        amountOut = (net * reserveOut) / (reserveIn * 1000 + net);
        if (amountOut < outMin) revert TooLittle(amountOut, outMin);
        Token(reverse ? pool.token1() : pool.token0()).transferFrom(msg.sender, pair, amountIn);
        pool.swap(reverse ? amountOut : 0, reverse ? 0 : amountOut, to);
    }
}

/// Ether as a token: its own balance moves with every deposit and withdrawal.
contract Wrapped {
    mapping(address => uint256) public balanceOf; // slot 0

    event Deposit(address indexed account, uint256 value);
    event Withdrawal(address indexed account, uint256 value);

    error InsufficientBalance(uint256 have, uint256 want);

    function deposit() external payable {
        balanceOf[msg.sender] += msg.value;
        emit Deposit(msg.sender, msg.value);
    }

    function withdraw(uint256 value) external {
        uint256 have = balanceOf[msg.sender];
        if (have < value) revert InsufficientBalance(have, value);
        balanceOf[msg.sender] = have - value;
        (bool sent,) = msg.sender.call{value: value}("");
        require(sent);
        emit Withdrawal(msg.sender, value);
    }
}

/// A collection whose pieces are numbered as they are minted: every mint reads and writes the counter.
contract Collection {
    uint256 public minted; // slot 0
    mapping(uint256 => address) public ownerOf; // slot 1
    mapping(address => uint256) public balanceOf; // slot 2

    event Transfer(address indexed from, address indexed to, uint256 indexed id);

    function mint() external returns (uint256 id) {
        id = minted++;
        ownerOf[id] = msg.sender;
        balanceOf[msg.sender]++;
        emit Transfer(address(0), msg.sender, id);
    }
}

/// Work without conflict: hashes, and keeps the last one for the caller.
contract Grinder {
    mapping(address => bytes32) public last; // slot 0

    function grind(uint256 rounds) external {
        bytes32 hash = bytes32(uint256(uint160(msg.sender)));
        for (uint256 i = 0; i < rounds; i++) hash = keccak256(abi.encode(hash, i));
        last[msg.sender] = hash;
    }
}
