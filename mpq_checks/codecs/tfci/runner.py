"""Runs a metagraph in TensorFlow. A script for another interpreter, and the protocol it speaks.

It imports nothing of this project, so that the interpreter of the tfci environment can run it by
its path: `python -I -B runner.py FILE.metagraph`. It reads requests from standard input and
writes replies to standard output until the input ends or the parent process is gone.

A message is 4 bytes `tfci`, a byte for its kind, its length (unsigned, 4 bytes, little endian)
and as many bytes. Requests: ENCODE (an image), DECODE (PackedTensors). Replies: READY (JSON, once,
at the start), CODED (checksum of the latents and PackedTensors), DECODED (the same checksum and an
image), ERROR (UTF-8). An image is height and width (4 bytes each) and its RGB bytes.

A metagraph is a program. Before TensorFlow sees it, every operation is looked up in a list of
those that compute; what reads or writes files, calls Python, opens connections or is not known is
refused. See docs/how-to/official-neural-codecs.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import sys
import threading
import time
import zlib
from typing import Any, BinaryIO

CODED = b"C"
DECODE = b"d"
DECODED = b"D"
ENCODE = b"e"
ERROR = b"!"
READY = b"R"

MAX_PIXELS = 1 << 25
MAX_MESSAGE_BYTES = 4 + 8 + 3 * MAX_PIXELS
MAX_METAGRAPH_BYTES = 2_000_000_000
MAX_MEMORY_BYTES = 48 << 30

NO_CHECKSUM = 0
"""In place of a checksum, where the graph does not show its latents."""

_MAGIC = b"tfci"
_HEAD = struct.Struct("<4ssI")
_SIZE = struct.Struct("<II")
_CHECKSUM = struct.Struct("<I")
_PARENT_SECONDS = 1.0
_SIGNATURES = ("sender", "receiver")
_ALLOW_VARIABLE = "MPQ_TFCI_ALLOW_OPS"

_OPERATIONS = """
Abs Add AddN AddV2 All Any ArgMax ArgMin Assert BatchMatMul BatchMatMulV2 BatchToSpaceND BiasAdd
Bitcast BroadcastArgs BroadcastTo Cast Ceil ClipByValue Concat ConcatV2 Const Conv2D
Conv2DBackpropInput Cumsum DepthToSpace DepthwiseConv2dNative Div DivNoNan Elu Enter Equal Erf
Erfc Exit Exp ExpandDims Expm1 Fill Floor FloorDiv FloorMod FusedBatchNorm FusedBatchNormV3
Gather GatherNd GatherV2 Greater GreaterEqual IRFFT IRFFT2D Identity IdentityN If
InvertPermutation LeakyRelu Less LessEqual LinSpace Log Log1p LogicalAnd LogicalNot LogicalOr
LoopCond MatMul MatrixBandPart MatrixDiag MatrixDiagPart Max MaxPool Maximum Mean Merge Min
Minimum MirrorPad Mod Mul Ndtri Neg NextIteration NoOp NotEqual OneHot OnesLike Pack Pad PadV2
PartitionedCall Placeholder PlaceholderWithDefault Pow PreventGradient Prod RFFT RFFT2D Range
Rank RealDiv Reciprocal Relu Relu6 Reshape ResizeBilinear ResizeNearestNeighbor ReverseV2 Rint
Round Rsqrt ScatterNd Select SelectV2 Selu Shape ShapeN Sigmoid Sign Size Slice Softmax Softplus
Softsign SpaceToBatchND SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze
StatefulPartitionedCall StatelessIf StatelessWhile StopGradient StridedSlice StringJoin Sub Sum
Switch Tanh TensorArrayCloseV3 TensorArrayConcatV3 TensorArrayGatherV3 TensorArrayReadV3
TensorArrayScatterV3 TensorArraySizeV3 TensorArrayV3 TensorArrayWriteV3 TensorListConcatV2
TensorListFromTensor TensorListGetItem TensorListLength TensorListReserve TensorListSetItem
TensorListStack Tile Transpose TruncateDiv Unique Unpack Where While Xdivy Xlog1py Xlogy
ZerosLike
CreateRangeDecoder CreateRangeEncoder EntropyDecodeChannel EntropyDecodeFinalize
EntropyDecodeIndex EntropyEncodeChannel EntropyEncodeFinalize EntropyEncodeIndex
PmfToQuantizedCdf RangeDecode RangeEncode RunLengthDecode RunLengthEncode RunLengthGammaDecode
RunLengthGammaEncode StochasticRound UnboundedIndexRangeDecode UnboundedIndexRangeEncode
"""
ALLOWED_OPERATIONS = frozenset(_OPERATIONS.split())
"""Those that compute, and the range coder's; none of them touches files, Python or the network."""

# Where the symbols stand: the input of what encodes them, the output of what decodes them.
_ENCODED_INPUT = {
    "EntropyEncodeChannel": 1,
    "EntropyEncodeIndex": 2,
    "RangeEncode": 0,
    "UnboundedIndexRangeEncode": 0,
}
_DECODED_OUTPUT = {
    "EntropyDecodeChannel": 1,
    "EntropyDecodeIndex": 1,
    "RangeDecode": 0,
    "UnboundedIndexRangeDecode": 0,
}


class ProtocolError(Exception):
    """Bytes that are not a message."""


def write_message(stream: BinaryIO, kind: bytes, payload: bytes) -> None:
    """Write one message. Raises OSError where the other side is gone."""
    stream.write(_HEAD.pack(_MAGIC, kind, len(payload)) + payload)
    stream.flush()


def read_message(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """Kind and payload, or None at the end of the stream. Raises ProtocolError."""
    head = stream.read(_HEAD.size)
    if not head:
        return None
    if len(head) < _HEAD.size:
        raise ProtocolError(f"a message of {len(head)} bytes")
    magic, kind, length = _HEAD.unpack(head)
    if magic != _MAGIC:
        raise ProtocolError(f"a message that begins with {head[:4]!r}")
    if length > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"a message of {length} bytes; at most {MAX_MESSAGE_BYTES} are allowed")
    payload = stream.read(length)
    if len(payload) < length:
        raise ProtocolError(f"{len(payload)} of the {length} bytes of a message")
    return kind, payload


def pack_image(height: int, width: int, pixels: bytes) -> bytes:
    """An image as it travels; `pixels` holds height x width x 3 bytes."""
    return _SIZE.pack(height, width) + pixels


def unpack_image(payload: bytes) -> tuple[int, int, bytes]:
    """Height, width and pixels. Raises ProtocolError."""
    if len(payload) < _SIZE.size:
        raise ProtocolError(f"an image of {len(payload)} bytes")
    height, width = _SIZE.unpack_from(payload)
    pixels = payload[_SIZE.size :]
    if height * width == 0 or len(pixels) != 3 * height * width:
        raise ProtocolError(f"{len(pixels)} bytes for an image of {height} x {width}")
    return height, width, pixels


def pack_checksum(checksum: int, payload: bytes) -> bytes:
    """A reply with the checksum of the latents."""
    return _CHECKSUM.pack(checksum) + payload


def unpack_checksum(payload: bytes) -> tuple[int, bytes]:
    """Checksum and the rest. Raises ProtocolError."""
    if len(payload) < _CHECKSUM.size:
        raise ProtocolError(f"a reply of {len(payload)} bytes")
    return _CHECKSUM.unpack_from(payload)[0], payload[_CHECKSUM.size :]


def main() -> int:
    """Serve until the input ends; everything but replies goes to standard error."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    try:
        model = _Model(sys.argv[1])
    except Exception as exc:  # whatever a foreign file makes TensorFlow raise
        write_message(replies, ERROR, _reason(exc).encode())
        return 1
    write_message(replies, READY, json.dumps(model.about()).encode())
    while (message := read_message(sys.stdin.buffer)) is not None:
        try:
            kind, payload = model.answer(*message)
        except Exception as exc:
            kind, payload = ERROR, _reason(exc).encode()
        write_message(replies, kind, payload)
    return 0


class _Model:
    """The two signatures of a metagraph, ready to be called."""

    def __init__(self, path: str) -> None:
        data = _read(path)
        tf, self.tfc = _import_tensorflow()
        self.tf = tf
        # Importing is over: from here on no file is written, and memory has an end.
        _restrict()
        metagraph = tf.compat.v1.MetaGraphDef()
        metagraph.ParseFromString(data)
        require_allowed(metagraph.graph_def, _allowed())
        for name in _SIGNATURES:
            if name not in metagraph.signature_def:
                found = ", ".join(sorted(metagraph.signature_def)) or "none"
                raise ValueError(f"the metagraph has no signature {name!r}; it has: {found}")
        # The graph alone is imported: collections and savers of the file are left aside.
        graph = tf.Graph()
        with graph.as_default():
            tf.graph_util.import_graph_def(
                metagraph.graph_def,
                name="",
                producer_op_list=metagraph.meta_info_def.stripped_op_list,
            )
        sender, receiver = (_Signature(graph, metagraph.signature_def[n]) for n in _SIGNATURES)
        encoded, decoded = sender.encoded_symbols(), receiver.decoded_symbols()
        self.checked = len(encoded) == len(decoded) > 0
        if not self.checked:
            encoded, decoded = [], []
        session = tf.compat.v1.Session(graph=graph, config=_session_settings(tf))
        self.receiver_types = [tensor.dtype for tensor in receiver.inputs]
        self.sender_type = sender.inputs[0].dtype
        self.send = session.make_callable([sender.outputs, encoded], sender.inputs)
        self.receive = session.make_callable([receiver.outputs, decoded], receiver.inputs)

    def about(self) -> dict[str, object]:
        """What the client is told at the start."""
        return {"tensorflow": self.tf.__version__, "latents_checked": self.checked}

    def answer(self, kind: bytes, payload: bytes) -> tuple[bytes, bytes]:
        """Kind and payload of the reply."""
        if kind == ENCODE:
            return CODED, self.encode(*unpack_image(payload))
        if kind == DECODE:
            return DECODED, self.decode(payload)
        raise ProtocolError(f"a request of the kind {kind!r}")

    def encode(self, height: int, width: int, pixels: bytes) -> bytes:
        """Run the sender and pack its tensors, as tfci does."""
        import numpy as np

        image = np.frombuffer(pixels, np.uint8).reshape(1, height, width, 3)
        tensors, symbols = self.send(image.astype(self.sender_type.as_numpy_dtype))
        packed = self.tfc.PackedTensors()
        packed.pack([self.tf.constant(tensor) for tensor in tensors])
        return pack_checksum(_checksum(symbols), packed.string)

    def decode(self, data: bytes) -> bytes:
        """Unpack the tensors and run the receiver."""
        packed = self.tfc.PackedTensors(data)
        tensors = packed.unpack(self.receiver_types)
        outputs, symbols = self.receive(*(tensor.numpy() for tensor in tensors))
        image = self.tf.constant(outputs[0])
        if image.dtype.is_floating:
            image = self.tf.round(image)
        image = self.tf.saturate_cast(image, self.tf.uint8).numpy()
        if image.ndim != 4 or image.shape[0] != 1 or image.shape[3] != 3:
            raise ValueError(f"the receiver gave an image of shape {image.shape}")
        _, height, width, _ = image.shape
        return pack_checksum(_checksum(symbols), pack_image(height, width, image.tobytes()))


class _Signature:
    """Inputs and outputs of a signature in the graph, sorted by name, as tfci takes them."""

    def __init__(self, graph: Any, signature: Any) -> None:
        self.inputs, self.outputs = (
            [graph.as_graph_element(infos[name].name) for name in sorted(infos)]
            for infos in (signature.inputs, signature.outputs)
        )

    def encoded_symbols(self) -> list[Any]:
        """The integer latents that go into the range coder."""
        places = _ENCODED_INPUT
        return [op.inputs[places[op.type]] for op in self._operations() if op.type in places]

    def decoded_symbols(self) -> list[Any]:
        """The integer latents that come out of it."""
        places = _DECODED_OUTPUT
        return [op.outputs[places[op.type]] for op in self._operations() if op.type in places]

    def _operations(self) -> list[Any]:
        """What the outputs depend on."""
        found = {tensor.op for tensor in self.inputs}
        waiting = [tensor.op for tensor in self.outputs]
        while waiting:
            op = waiting.pop()
            if op not in found:
                found.add(op)
                waiting += [*(tensor.op for tensor in op.inputs), *op.control_inputs]
        return sorted(found, key=lambda op: str(op.name))


def require_allowed(graph: Any, allowed: frozenset[str]) -> None:
    """Raise ValueError if a GraphDef, or a function in it, has an operation that is not allowed."""
    nodes = list(graph.node)
    for function in graph.library.function:
        nodes += function.node_def
    functions = {function.signature.name for function in graph.library.function}
    refused = sorted({node.op for node in nodes} - allowed - functions)
    if refused:
        raise ValueError(
            f"the metagraph has operations that are not on the list of the allowed: "
            f"{', '.join(refused)}. If they do no more than compute and you trust the file, name "
            f"them in {_ALLOW_VARIABLE}, separated by commas"
        )


def _allowed() -> frozenset[str]:
    extra = os.environ.get(_ALLOW_VARIABLE, "").replace(",", " ").split()
    return ALLOWED_OPERATIONS | frozenset(extra)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 (as plain as it gets)
        data = file.read(MAX_METAGRAPH_BYTES + 1)
    if len(data) > MAX_METAGRAPH_BYTES:
        raise ValueError(f"{path} has more than {MAX_METAGRAPH_BYTES} bytes")
    return data


def _import_tensorflow() -> tuple[Any, Any]:
    """TensorFlow and tensorflow-compression, whose operations it registers."""
    import logging

    logging.getLogger().setLevel(logging.ERROR)  # that TensorBoard is not there
    import tensorflow as tf  # type: ignore[import-not-found,import-untyped,unused-ignore]
    import tensorflow_compression as tfc  # type: ignore[import-not-found,import-untyped,unused-ignore]

    return tf, tfc


def _session_settings(tf: Any) -> Any:
    """One thread, so that sums are always taken in one order; the graph is run as it is."""
    settings = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=1, inter_op_parallelism_threads=1, device_count={"GPU": 0}
    )
    settings.graph_options.rewrite_options.disable_meta_optimizer = True
    return settings


def _restrict() -> None:
    """Forbid to write files, to dump core and to take more than 48 GiB, where limits exist."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = (
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, MAX_MEMORY_BYTES),
    )
    for which, value in limits:
        with contextlib.suppress(ValueError, OSError):  # a system with lower limits of its own
            resource.setrlimit(which, (value, value))


def _checksum(symbols: list[Any]) -> int:
    """Of the values alone: sender and receiver name and shape their tensors differently."""
    if not symbols:
        return NO_CHECKSUM
    parts = sorted(zlib.crc32(tensor.astype("<i4").tobytes()) for tensor in symbols)
    return zlib.crc32(b"".join(part.to_bytes(4, "little") for part in parts))


def _end_with_parent(parent: int) -> None:
    """Leave when the process that started this one is gone, whatever is being computed."""
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    os._exit(1)


def _reason(exc: Exception) -> str:
    return f"{type(exc).__name__}: {exc}"


if __name__ == "__main__":
    sys.exit(main())
