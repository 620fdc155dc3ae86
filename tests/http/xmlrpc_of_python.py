"""Python's own XML-RPC client asks for everything there is: python3 xmlrpc_of_python.py URL-WITH-TOKEN URL-WITHOUT-TOKEN"""

import sys
import xmlrpc.client

gateway = xmlrpc.client.ServerProxy(sys.argv[1])
methods = gateway.system.listMethods()
assert "audiospread.notify" in methods and "system.multicall" in methods, methods
for method in methods:
    assert gateway.system.methodHelp(method), method
    for types in gateway.system.methodSignature(method):
        assert set(types) <= {"int", "string", "array", "struct"}, (method, types)
assert gateway.system.getCapabilities()["xmlrpc"]["specVersion"] == 1

status = gateway.audiospread.status()
assert status[0]["kind"] == "gateway" and status[0]["version"] == 1 and status[0]["errors"] == 1, status
found = gateway.audiospread.findings(0, 500)
assert [finding["severity"] for finding in found] == ["error", "warning", "info"], found
assert gateway.audiospread.findings(1, 1) == found[1:2]
assert gateway.audiospread.findings(0, 500, 330) == found[0:1]
assert found[0] == {
    "code": "no_category", "severity": "error", "kind": "node", "id": 330, "name": "",
    "message": "Give it <a> category & \"save\": Übung 🐫.",
}, found[0]

changes = [{"kind": "node", "id": 171, "vid": 440, "changed": 1300000000, "op": "save"}, {"kind": "nonsense"}]
assert gateway.audiospread.notify(changes) == 1

many = xmlrpc.client.MultiCall(gateway)
many.audiospread.notify(changes)
many.audiospread.findings(0, 1)
many.system.multicall([])
many.audiospread.findings(0, -1)
many.no.such.method()
results = many()
assert results[0] == 1 and results[1] == found[0:1]
for place, code in [(2, 400), (3, 400), (4, -32601)]:
    try:
        results[place]
        raise SystemExit("call %d was answered" % place)
    except xmlrpc.client.Fault as fault:
        assert fault.faultCode == code and fault.faultString.endswith((".", "all.")), fault

for ask, code in [
    (lambda: gateway.no.such.method(), -32601),
    (lambda: gateway.audiospread.findings(0), 400),
    (lambda: gateway.audiospread.findings(0, 501), 400),
    (lambda: gateway.audiospread.findings("x", 1), 400),
    (lambda: gateway.audiospread.notify("x"), 400),
    (lambda: gateway.audiospread.notify([{}] * 501), 400),
    (lambda: gateway.system.multicall([{"methodName": "system.listMethods", "params": []}] * 101), 400),
    (lambda: gateway.system.methodHelp("x" * 600000), 400),
    (lambda: xmlrpc.client.ServerProxy(sys.argv[2]).system.listMethods(), 401),
]:
    try:
        ask()
        raise SystemExit("a call that must fail did not")
    except xmlrpc.client.Fault as fault:
        assert fault.faultCode == code, fault
print("ok")
