"""Writes operators.json: the signatures of all operators that onnx and ONNX Runtime know, as facts.

Run: python3 -m venv /tmp/v && /tmp/v/bin/pip install onnx onnxruntime==1.30.0 && /tmp/v/bin/python operators.py > operators.json

Form: {"types": [type lists], "domains": {domain: {operator: [version, ...]}}}, newest version first, each
[since, [min inputs, max inputs], [min outputs, max outputs], [type of each input], {attribute: kind}, deprecated?].
A type is an index into "types" or a type parameter "T=index"; a trailing "*" marks a variadic input; -1 any type. A kind ends in "!" where required.
"""
import json
import sys

from onnx import defs
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_operator_schema

NAMES = {"float": "float32", "double": "float64"}
KINDS = {"FLOAT": "float", "INT": "int", "STRING": "string", "TENSOR": "tensor", "GRAPH": "graph", "FLOATS": "floats", "INTS": "ints",
         "STRINGS": "strings", "TENSORS": "tensors", "GRAPHS": "graphs", "SPARSE_TENSOR": "sparse", "SPARSE_TENSORS": "sparses",
         "TYPE_PROTO": "typeOf", "TYPE_PROTOS": "typesOf", "UNDEFINED": "undefined"}
BIG = 2147483647
types = []


def name(text):
    if text.startswith("tensor(") and text.endswith(")"):
        inner = text[7:-1]
        return NAMES.get(inner, inner)
    return text.replace("float)", "float32)").replace("double)", "float64)")


def index(texts):
    entry = ",".join(sorted({name(text) for text in texts}))
    if entry not in types:
        types.append(entry)
    return types.index(entry)


def attributes(schema):
    return {key: KINDS[str(a.type).split(".")[-1]] + ("!" if a.required else "") for key, a in sorted(schema.attributes.items())}


def row(schema):
    constraints = {c.type_param_str: index(c.allowed_type_strs) for c in schema.type_constraints}
    inputs = []
    for formal in schema.inputs:
        text = formal.type_str if hasattr(formal, "type_str") else formal.typeStr
        known = constraints.get(text)
        kind = f"{text}={known}" if known is not None else index([text])
        variadic = str(formal.option).split(".")[-1] == "Variadic"
        homogeneous = getattr(formal, "is_homogeneous", getattr(formal, "isHomogeneous", True))
        inputs.append(f"{kind if homogeneous else known}*" if variadic else kind)
    top = lambda n: -1 if n >= BIG else n
    out = [schema.since_version, [schema.min_input, top(schema.max_input)], [schema.min_output, top(schema.max_output)], inputs, attributes(schema)]
    return out + ["deprecated"] if schema.deprecated else out


domains = {}
for schema in defs.get_all_schemas_with_history():
    domains.setdefault(schema.domain, {}).setdefault(schema.name, []).append(row(schema))
for schema in get_all_operator_schema():
    if schema.domain == "com.microsoft":
        try:
            entry = row(schema)
        except Exception:
            entry = [schema.since_version, [schema.min_input, -1], [schema.min_output, -1], [], attributes(schema)]
        domains.setdefault(schema.domain, {}).setdefault(schema.name, []).append(entry)
for operators in domains.values():
    for versions in operators.values():
        versions.sort(key=lambda v: -v[0])

out = {"types": types, "domains": {d: dict(sorted(o.items())) for d, o in sorted(domains.items())}}
json.dump(out, sys.stdout, separators=(",", ":"))
