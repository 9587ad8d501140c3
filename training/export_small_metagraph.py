"""Train and export a small codec as tfci's official models are exported: one metagraph.

It stands in for `hific-lo.metagraph` where that cannot be had, so that the runner of
`mpq_checks.codecs.tfci` is tested with real range coding. The signatures `sender` and `receiver`
have the tensors that tfci expects; the graph is frozen, so that the weights are constants in it.
The architecture is HiFiC's in small: encoder, mean-scale hyperprior, generator, padding by
reflection inside the graph. It learns from drawn patterns, for seconds, and is good for tests only.

Run it with the Python of the tfci environment, not with the project's:

    $(mpq setup-tfci) training/export_small_metagraph.py small.metagraph
"""

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_compression as tfc
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

FACTOR = 64
GAIN = 16.0  # of the latents at the start, so that they do not all round to zero
NUM_SCALES = 32
SCALE_MIN, SCALE_MAX = 0.11, 64.0

STRINGS = ("0_image_shape", "1_hyper_shape", "2_hyper_string", "3_string")
INPUTS = {"sender": ("input_image",), "receiver": STRINGS}
OUTPUTS = {"sender": STRINGS, "receiver": ("output_image",)}


def scale_of(index):
    """Scale of the normal distribution that an index of the entropy model stands for."""
    low, high = tf.math.log(SCALE_MIN), tf.math.log(SCALE_MAX)
    return tf.math.exp(low + (high - low) / (NUM_SCALES - 1) * index)


def down(filters, activation="relu"):
    """A convolution that halves both sides."""
    return tf.keras.layers.Conv2D(filters, 5, 2, padding="same", activation=activation)


def up(filters, activation="relu"):
    """A convolution that doubles both sides."""
    return tf.keras.layers.Conv2DTranspose(filters, 5, 2, padding="same", activation=activation)


def residual(x, filters):
    """HiFiC's residual block, with its channel normalisation."""
    y = tf.keras.layers.Conv2D(filters, 3, padding="same")(x)
    y = tf.keras.layers.LayerNormalization(axis=-1, epsilon=1e-3)(y)
    y = tf.keras.layers.ReLU()(y)
    return x + tf.keras.layers.Conv2D(filters, 3, padding="same")(y)


def generator(filters, latents, num_blocks):
    """Latents to pixels of 0..1."""
    inputs = tf.keras.Input((None, None, latents))
    x = tf.keras.layers.Conv2D(8 * filters, 3, padding="same")(inputs)
    for _ in range(num_blocks):
        x = residual(x, 8 * filters)
    for width in (4 * filters, 2 * filters, filters):
        x = up(width)(x)
    return tf.keras.Model(inputs, up(3, activation=None)(x))


class SmallCodec(tf.Module):
    """Encoder, hyperprior and generator."""

    def __init__(self, filters, latents, hyper, num_blocks):
        super().__init__()
        widths = (filters, 2 * filters, 4 * filters)
        self.encoder = tf.keras.Sequential([*map(down, widths), down(latents, activation=None)])
        self.generator = generator(filters, latents, num_blocks)
        self.hyper_encoder = tf.keras.Sequential([down(hyper), down(hyper, activation=None)])
        self.hyper_decoder = tf.keras.Sequential(
            [up(hyper), up(hyper), tf.keras.layers.Conv2D(2 * latents, 3, padding="same")]
        )
        self.prior = tfc.NoisyDeepFactorized(batch_shape=(hyper,))
        self.factor_y = self.factor_z = None

    def encode(self, x):
        """Pixels of 0..1 to latents."""
        return GAIN * self.encoder(2.0 * x - 1.0)

    def decode(self, latents):
        """Latents to pixels of about 0..1."""
        return 0.5 + self.generator(latents / GAIN)

    def parameters(self, hyper):
        """Means of the latents and indexes of their scales."""
        mean, index = tf.split(self.hyper_decoder(hyper), 2, axis=-1)
        return mean, index + NUM_SCALES / 2

    def entropy_models(self, compression):
        """Those of the latents and of the hyperlatents."""
        normal = tfc.LocationScaleIndexedEntropyModel(
            tfc.NoisyNormal, NUM_SCALES, scale_of, coding_rank=3, compression=compression
        )
        factorized = tfc.ContinuousBatchedEntropyModel(
            self.prior, coding_rank=3, compression=compression
        )
        return normal, factorized

    def freeze(self):
        """Fix the tables of the range coder."""
        self.normal, self.factorized = self.entropy_models(compression=True)

    def loss(self, batch, weight):
        """Bits per pixel plus `weight` times the squared error of pixels of 0..255."""
        x = tf.cast(batch, tf.float32) / 255.0
        normal, factorized = self.entropy_models(compression=False)
        y = self.encode(x)
        hyper, hyper_bits = factorized(self.hyper_encoder(y), training=True)
        mean, index = self.parameters(hyper)
        latents, bits = normal(y, index, loc=mean, training=True)
        pixels = tf.cast(tf.reduce_prod(tf.shape(x)[:-1]), tf.float32)
        rate = (tf.reduce_sum(bits) + tf.reduce_sum(hyper_bits)) / pixels
        error = tf.reduce_mean(tf.math.squared_difference(x, self.decode(latents)))
        return rate + weight * 255.0**2 * error, rate, error

    @tf.function(input_signature=[tf.TensorSpec((1, None, None, 3), tf.uint8, name="input_image")])
    def sender(self, image):
        """Image to bit strings and what decoding them needs."""
        size = tf.shape(image)[1:3]
        padding = (FACTOR - size % FACTOR) % FACTOR
        paddings = [[0, 0], [0, padding[0]], [0, padding[1]], [0, 0]]
        x = tf.pad(tf.cast(image, tf.float32) / 255.0, paddings, "REFLECT")
        y = self.encode(x)
        z = self.hyper_encoder(y)
        hyper_string = self.factorized.compress(z)
        hyper_shape = tf.shape(z)[1:3]
        hyper = self.factorized.decompress(hyper_string, hyper_shape)
        mean, index = self.parameters(hyper)
        string = self.normal.compress(y, index, loc=mean)
        return dict(zip(STRINGS, (size, hyper_shape, hyper_string, string), strict=True))

    @tf.function(
        input_signature=[
            tf.TensorSpec((2,), tf.int32, name="image_shape"),
            tf.TensorSpec((2,), tf.int32, name="hyper_shape"),
            tf.TensorSpec((1,), tf.string, name="hyper_string"),
            tf.TensorSpec((1,), tf.string, name="string"),
        ]
    )
    def receiver(self, image_shape, hyper_shape, hyper_string, string):
        """Bit strings to the image."""
        hyper = self.factorized.decompress(hyper_string, hyper_shape)
        mean, index = self.parameters(hyper)
        x = self.decode(self.normal.decompress(string, index, loc=mean))
        x = x[:, : image_shape[0], : image_shape[1], :]
        return {"output_image": tf.saturate_cast(tf.round(x * 255.0), tf.uint8)}


def patterns(random, num_images, side):
    """Drawn images: waves, a disc and a little noise, uint8."""
    y, x = np.mgrid[:side, :side]
    images = np.empty((num_images, side, side, 3), np.float32)
    for image in images:
        wave = sum(
            np.sin(x * random.uniform(0.02, 0.3) + y * random.uniform(-0.3, 0.3) + phase)
            for phase in random.uniform(0, 6, 3)
        )
        image[:] = 127 + 30 * wave[..., None] * random.uniform(0.3, 1, 3)
        centre, radius = random.uniform(0, side, 2), random.uniform(4, side / 2)
        image[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2] = random.uniform(0, 255, 3)
    images += random.normal(0, 3, images.shape)
    return np.clip(images, 0, 255).astype(np.uint8)


def train(model, steps, weight, seed):
    """Adam on drawn images."""
    random = np.random.default_rng(seed)
    optimizer = tf.keras.optimizers.Adam(2e-3)

    @tf.function
    def step(batch):
        with tf.GradientTape() as tape:
            loss, rate, error = model.loss(batch, weight)
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return rate, error

    model.loss(tf.constant(patterns(random, 1, FACTOR)), weight)
    for index in range(steps):
        rate, error = step(tf.constant(patterns(random, 8, FACTOR)))
        if index % 50 == 49:
            psnr_db = -10 * np.log10(error)
            print(f"step {index + 1}: {rate:.3f} bits per pixel, {psnr_db:.1f} dB", flush=True)


def export(model, path):
    """Freeze both signatures into one graph and write the MetaGraphDef."""
    graph = tf.Graph()
    signatures = {}
    for name in ("sender", "receiver"):
        function = getattr(model, name).get_concrete_function()
        frozen = convert_variables_to_constants_v2(function)
        with graph.as_default():
            tf.import_graph_def(frozen.graph.as_graph_def(), name=name)

        def placed(tensor, name=name):
            found = graph.get_tensor_by_name(f"{name}/{tensor.name}")
            return meta_graph_pb2.TensorInfo(
                name=found.name,
                dtype=found.dtype.as_datatype_enum,
                tensor_shape=found.shape.as_proto(),
            )

        signatures[name] = meta_graph_pb2.SignatureDef(
            inputs=dict(zip(INPUTS[name], map(placed, frozen.inputs), strict=True)),
            # A function gives its results sorted by name.
            outputs=dict(zip(OUTPUTS[name], map(placed, frozen.outputs), strict=True)),
        )
    with graph.as_default():
        metagraph = tf.compat.v1.train.export_meta_graph()
    for name, signature in signatures.items():
        metagraph.signature_def[name].CopyFrom(signature)
    path.write_bytes(metagraph.SerializeToString(deterministic=True))


def main():
    """Train and write the file that the command line names."""
    parser = argparse.ArgumentParser(description="Export a small codec as a tfci metagraph.")
    parser.add_argument("path", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--filters", type=int, default=8, help="HiFiC: 60 or so, by our layers 120")
    parser.add_argument("--latents", type=int, default=16, help="HiFiC: 220")
    parser.add_argument("--hyper", type=int, default=16, help="HiFiC: 320")
    parser.add_argument("--blocks", type=int, default=1, help="HiFiC: 9")
    parser.add_argument("--weight", type=float, default=0.01, help="of the squared error")
    parser.add_argument("--seed", type=int, default=1)
    parsed = parser.parse_args()
    tf.keras.utils.set_random_seed(parsed.seed)
    tf.config.experimental.enable_op_determinism()
    model = SmallCodec(parsed.filters, parsed.latents, parsed.hyper, parsed.blocks)
    train(model, parsed.steps, parsed.weight, parsed.seed)
    model.freeze()
    export(model, parsed.path)
    print(f"{parsed.path}: {parsed.path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
