"""Drives a running devnet with web3.py: deploy, send, wait, read, logs, subscribe.

python web3py.py URL TOKEN.json      (TOKEN.json: {"abi": [...], "bytecode": "0x..."})
"""

import asyncio
import faulthandler
import json
import sys
import time

from eth_account import Account
from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.exceptions import ContractCustomError

url, token_file = sys.argv[1:3]
faulthandler.dump_traceback_later(280, exit=True)  # a client that hangs is a failure
Account.enable_unaudited_hdwallet_features()
MNEMONIC = "test test test test test test test test test test test junk"
sender, receiver = (Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{i}") for i in (12, 13))
w3 = Web3(Web3.HTTPProvider(url))
with open(token_file) as file:
    token = json.load(file)


def check(name, run):
    started = time.monotonic()
    result = run()
    print(f"ok {name} ({round((time.monotonic() - started) * 1000)} ms)")
    return result


def send(transaction):
    filled = {
        "chainId": w3.eth.chain_id,
        "nonce": w3.eth.get_transaction_count(sender.address, "pending"),
        "from": sender.address,
        **transaction,
    }
    if "gas" not in filled:
        filled["gas"] = w3.eth.estimate_gas(filled)
    if "maxFeePerGas" not in filled:
        tip = w3.eth.max_priority_fee
        filled["maxPriorityFeePerGas"] = tip
        filled["maxFeePerGas"] = 2 * w3.eth.get_block("latest")["baseFeePerGas"] + tip
    signed = sender.sign_transaction(filled)
    receipt = w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(signed.raw_transaction), poll_latency=0.02)
    assert receipt["status"] == 1, receipt
    return receipt


def transfer():
    assert w3.is_connected()
    before = w3.eth.get_balance(receiver.address)
    receipt = send({"to": receiver.address, "value": 9})
    assert w3.eth.get_balance(receiver.address) == before + 9
    assert w3.eth.get_block(receipt["blockNumber"])["hash"] == receipt["blockHash"]


def deploy():
    factory = w3.eth.contract(abi=token["abi"], bytecode=token["bytecode"])
    receipt = send({"data": factory.constructor(1000).data_in_transaction})
    contract = w3.eth.contract(address=receipt["contractAddress"], abi=token["abi"])
    send(contract.functions.transfer(receiver.address, 40).build_transaction({"from": sender.address}))
    assert contract.functions.balanceOf(receiver.address).call() == 40
    logs = contract.events.Transfer.get_logs(from_block=receipt["blockNumber"], argument_filters={"from": sender.address})
    assert [log["args"]["value"] for log in logs] == [40], logs
    try:
        contract.functions.transfer(sender.address, 10**30).call({"from": receiver.address})
        raise AssertionError("a transfer of too much must revert")
    except ContractCustomError as error:
        assert error.data.startswith(Web3.to_hex(Web3.keccak(text="InsufficientBalance(uint256,uint256)")[:4])), error
    return contract


async def subscribe(contract):
    async with AsyncWeb3(WebSocketProvider(url.replace("http", "ws"))) as socket:
        heads = await socket.eth.subscribe("newHeads")
        logs = await socket.eth.subscribe("logs", {"address": contract.address})
        call = contract.functions.transfer(receiver.address, 2).build_transaction({"from": sender.address})
        receipt = await asyncio.to_thread(send, call)
        seen = set()
        async with asyncio.timeout(60):
            async for message in socket.socket.process_subscriptions():
                result = message["result"]
                if message["subscription"] == heads and result["number"] == receipt["blockNumber"]:
                    seen.add("head")
                if message["subscription"] == logs:
                    assert result["transactionHash"] == receipt["transactionHash"]
                    seen.add("log")
                if seen == {"head", "log"}:
                    return


check("web3.py sends and waits", transfer)
contract = check("web3.py deploys, calls, reads logs and a custom error", deploy)
check("web3.py hears of heads and logs", lambda: asyncio.run(subscribe(contract)))
