"""Matrix products, float32: bar 1.0 (0.85)."""

from . import row, values


def product(name, a, b, *, transpose=False, dtype="float32"):
    """Row for a @ b of these shapes; with `transpose`, b is stored as its transpose."""

    def make(d):
        x = d.tensor(values(*a, dtype=dtype))
        y = d.tensor(values(*b, seed="b", dtype=dtype))
        if transpose:
            y = y.transpose(-1, -2).contiguous().transpose(-1, -2)
        return lambda: d.matmul(x, y)

    row("matmul", name, make, length=a[-1], dtype=dtype)


for n in (128, 256, 512, 1024, 2048):
    product(f"square {n}", (n, n), (n, n))
product("square 512, second operand transposed", (512, 512), (512, 512), transpose=True)
product("square 512, float64", (512, 512), (512, 512), dtype="float64")
product("tall 8192x256 @ 256x64", (8192, 256), (256, 64))
product("tall 65536x16 @ 16x16", (65536, 16), (16, 16))
product("wide 64x256 @ 256x8192", (64, 256), (256, 8192))
product("wide 16x16 @ 16x65536", (16, 16), (16, 65536))
product("k long 64x16384 @ 16384x64", (64, 16384), (16384, 64))
product("k long 256x8192 @ 8192x256", (256, 8192), (8192, 256))
product("batched 64 x 64^3", (64, 64, 64), (64, 64, 64))
product("batched 16 x 256x64 @ 64x256", (16, 256, 64), (16, 64, 256))
product("batched 256 x 32x16 @ 16x32", (256, 32, 16), (256, 16, 32))
product("odd 127x129 @ 129x131", (127, 129), (129, 131))
product("odd 515x1031 @ 1031x257", (515, 1031), (1031, 257))
product("odd 1001^3", (1001, 1001), (1001, 1001))
