"""Sizes in a .pt2 file that depend on the batch, such as Mul(Integer(4), Symbol('s77', positive=True, integer=True)).

PyTorch hands them to SymPy, which runs them as Python. So a text is parsed here first, and written again from the few
parts that sizes are made of: names, integers, sums, products, quotients, remainders, maxima and minima.
"""

import ast
import re

from oncorobust.base.errors import InputError
from oncorobust.models.torch_program_operators import shown

_LONGEST = 2000  # characters
_DEEPEST = 40  # brackets
_LARGEST = 2**63
_CHARACTERS = re.compile(r"[\w\s'(),=+*/-]*", re.ASCII)
_NAME = re.compile(r"s\d{1,6}", re.ASCII)
_FUNCTIONS = ("Add", "Mul", "FloorDiv", "CleanDiv", "CeilDiv", "Mod", "PythonMod", "Max", "Min")
_OPERATIONS = {ast.Add: "Add", ast.Mult: "Mul", ast.FloorDiv: "FloorDiv", ast.Mod: "Mod"}
_ASSUMPTIONS = ("positive", "nonnegative", "integer")


def checked_size(text: object) -> str:
    """Return an expression of sizes, written again from its parts. Raises InputError for any other text."""
    try:
        if not isinstance(text, str) or len(text) > _LONGEST or text.count("(") > _DEEPEST:
            raise ValueError
        if not _CHARACTERS.fullmatch(text):
            raise ValueError
        return _written(ast.parse(text, mode="eval").body)
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise InputError(
            f"expected a size of names, integers, +, -, *, //, Mod, Max and Min, got {shown(text)}"
        ) from error


def checked_symbol(text: object) -> str:
    """Return the name of a size, such as s77. Raises InputError for any other text."""
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        raise InputError(f"expected the name of a size, such as s77, got {shown(text)}")
    return text


def symbol_of(size: str) -> str | None:
    """Return the name of a size that was written again, if it is a name alone."""
    found = re.fullmatch(r"(s\d+)|Symbol\('(s\d+)'[^()]*\)", size)
    return found and (found.group(1) or found.group(2))


def _written(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=int(number)) if abs(number) < _LARGEST and not isinstance(number, bool):
            return f"Integer({number})"
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(number))) if 0 < number < _LARGEST:
            return f"Integer(-{number})"
        case ast.Name(id=name) if _NAME.fullmatch(name):
            return name
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return f"Add({_written(left)}, Mul(Integer(-1), {_written(right)}))"
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _OPERATIONS:
            return f"{_OPERATIONS[type(operation)]}({_written(left)}, {_written(right)})"
        case ast.Call(func=ast.Name(id="Integer"), args=[ast.Constant() | ast.UnaryOp() as number], keywords=[]):
            return _written(number)
        case ast.Call(func=ast.Name(id="Symbol"), args=[ast.Constant(value=str(name))], keywords=assumptions):
            return f"Symbol({checked_symbol(name)!r}{''.join(map(_assumption, assumptions))})"
        case ast.Call(func=ast.Name(id=name), args=parts, keywords=[]) if name in _FUNCTIONS and parts:
            return f"{name}({', '.join(map(_written, parts))})"
    raise ValueError


def _assumption(assumed: ast.keyword) -> str:
    match assumed:
        case ast.keyword(arg=name, value=ast.Constant(value=bool(value))) if name in _ASSUMPTIONS:
            return f", {name}={value}"
    raise ValueError
