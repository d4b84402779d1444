"""Compiled code that reads nested tuples of arrays and numbers from the table that `arguments.table_of` makes."""

import itertools
from collections.abc import Iterator
from typing import Any, get_args, get_origin

import numpy as np
from llvmlite import ir
from numba import types
from numba.np.arrayobj import populate_array

from kernels.arguments import array_kind, fields_of
from kernels.builders import FLOAT, INT32, INT64
from kernels.parts import intrinsic


def type_of(hint: Any) -> Any:
    """The numba type of an annotation: an annotated array, int, np.float32, or a tuple of such."""
    if (array := array_kind(hint)) is not None:
        return types.Array(getattr(types, array.dtype), array.dimensions, "C")
    if get_origin(hint) is tuple:
        return types.Tuple([type_of(item) for item in get_args(hint)])
    if issubclass(hint, tuple):
        return types.NamedTuple([type_of(field) for field in fields_of(hint).values()], hint)
    return {int: types.int64, np.float32: types.float32}[hint]


def reader(*hints: Any) -> Any:
    """An intrinsic: the address of a table, int64 [entries] -> a tuple of values of these annotations."""
    kinds = types.Tuple([type_of(hint) for hint in hints])

    @intrinsic
    def read(_typing: Any, table: Any) -> Any:
        def codegen(context: Any, builder: ir.IRBuilder, _signature: Any, args: Any) -> ir.Value:
            entries = (builder.load(builder.gep(args[0], [INT64(index)])) for index in itertools.count())
            return _read(context, builder, kinds, entries)

        return kinds(table), codegen

    return read


def _read(context: Any, builder: ir.IRBuilder, kind: Any, entries: Iterator[ir.Value]) -> ir.Value:
    if isinstance(kind, types.BaseTuple):
        items: Any = kind
        return context.make_tuple(builder, kind, [_read(context, builder, item, entries) for item in items])
    if isinstance(kind, types.Array):
        return _read_array(context, builder, kind, entries)
    entry = next(entries)
    return builder.bitcast(builder.trunc(entry, INT32), FLOAT) if kind == types.float32 else entry


def _read_array(context: Any, builder: ir.IRBuilder, kind: Any, entries: Iterator[ir.Value]) -> ir.Value:
    array = context.make_array(kind)(context, builder)
    data = builder.inttoptr(next(entries), array.data.type)
    shape = list(itertools.islice(entries, kind.ndim))
    size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [size]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=size, meminfo=None)
    return array._getvalue()
