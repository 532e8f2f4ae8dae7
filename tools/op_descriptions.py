"""What the functions of `dlcore` and the methods of `Tensor` do that no C++ header declares, or that share a comment
there: a line each, for the reference (docs_site.py)."""

_TEXT = """
tensor                  A tensor with a copy of a number's, of nested sequences' or of an array's elements.
as_tensor               As `tensor`, but the tensor or the array's memory itself, where dtype and device allow it.
scalar_tensor           A zero-dimensional tensor of a number.
from_numpy              A tensor over the memory of a numpy array.
from_dlpack             A tensor over the memory of an array of another library, by DLPack.
rand_like               rand of x's shape and dtype.
randn_like              randn of x's shape and dtype.
randint_like            randint of x's shape and dtype.
full_like               All elements are the value; of x's shape and, unless given, dtype.
ones                    All elements are 1.
ones_like               Ones, of x's shape and, unless given, dtype.
zeros                   All elements are 0.
zeros_like              Zeros, of x's shape and, unless given, dtype.
empty                   Whatever the memory holds.
empty_like              Whatever the memory holds, of x's shape and, unless given, dtype.
new_empty               empty, of x's dtype.
new_empty_strided       empty_strided, of x's dtype.
new_full                full, of x's dtype.
new_ones                ones, of x's dtype.
new_zeros               zeros, of x's dtype.
new_tensor              tensor, of x's dtype.

manual_seed             Seeds the default generator, which it returns.
seed                    Seeds the default generator by the system's randomness; the seed.
initial_seed            The seed of the default generator.
get_rng_state           The default generator's state, a tensor of bytes.
set_rng_state           Makes this the default generator's state.
get_num_threads         How many threads ops use.
set_num_threads         Makes ops use so many threads; results do not depend on it.
get_default_dtype       The dtype of floating point tensors where none is said: float32 at first.
set_default_dtype       Makes this the dtype of floating point tensors where none is said.
is_grad_enabled         Whether ops record what backward needs.
is_anomaly_enabled      Whether autograd.detect_anomaly is on.
is_anomaly_check_nan_enabled  Whether autograd.detect_anomaly looks for NaN.
memory_stats            Bytes that tensors have and had at most, and that the allocator keeps.
reset_peak_memory_stats Begins to count the most bytes anew.
empty_cache             Gives memory back that the allocator keeps for later tensors.
build_info              Compiler, version and instruction sets of this build, and which one runs.

can_cast                Whether values of a dtype may be written into another one.
promote_types           The dtype in which two dtypes meet.
result_type             The dtype that an op of two operands gives.
is_complex              False: there are no complex dtypes.
is_floating_point       Whether the dtype is floating point.
is_signed               Whether the dtype has negative numbers.
is_nonzero              Whether the only element is not 0.
is_same_size            Whether both have the same shape.
numel                   The number of elements.
get_device              -1: the CPU has no number.

max                     The largest element; with dim, values and indices along it; with a tensor, `maximum`.
min                     The smallest element; with dim, values and indices along it; with a tensor, `minimum`.
median                  The element of rank floor((n - 1) / 2); with dim, values and indices along it.
std                     The square root of `var`.
sum                     The sum of the elements, all or along dimensions.
var_mean                `var` and `mean`.
std_mean                `std` and `mean`.
amin                    The smallest element along dimensions; the gradient is shared evenly by equals.
argmin                  Index of the first smallest element along dim, or in the flattened tensor.
cummin                  The smallest element so far, and its index.
topk                    The k largest elements along dim, or the smallest, and their indices.
argsort                 The indices that sort along dim; stable.
positive                x itself.
adjoint                 The last two dimensions swapped.
vdot                    The sum of the products of two vectors' elements.
detach                  The same elements without history.
clamp_min               max(x, low)
clamp_max               min(x, high)
addmv                   beta c + alpha a x, of a matrix and a vector.
addr                    beta c + alpha a b^T, of two vectors.
baddbmm                 beta c + alpha a b, of batches of matrices.
addbmm                  beta c + alpha times the sum of the products of a batch of matrices.
kron                    The Kronecker product: the blocks a[i, j] b.
triu_indices            (2, count): rows and columns of the elements on and above the offset-th diagonal.
movedim                 Dimension source[i] goes to destination[i]; the others keep their order.
select                  x[..., index, ...] at dim, without that dimension.
narrow                  x[start:start + length] along dim.
chunk                   At most that many parts of the same size along dim; the last may be smaller.
tensor_split            As many parts along dim, whose sizes differ by 1 at most, or parts between indices.
diagonal                The elements [i, i + offset] of two dimensions, as the last dimension.
flatten                 The dimensions from start_dim to end_dim as one.
unflatten               The dimension dim as several.
expand_as               expand to the shape of another tensor.
broadcast_to            The same as expand.
broadcast_tensors       All tensors expanded to the shape that they broadcast to.
split_with_sizes        Parts of these sizes along dim.
reshape                 x in another shape; a copy where a view is not possible.
dropout_                dropout, written over x.

max_pool1d              The maximum of each window.
max_pool2d              The maximum of each window.
max_pool3d              The maximum of each window.
max_pool1d_with_indices The maximum of each window, and its place.
max_pool2d_with_indices The maximum of each window, and its place in the image.
max_pool3d_with_indices The maximum of each window, and its place in the volume.
avg_pool1d              The mean of each window.
avg_pool2d              The mean of each window.
avg_pool3d              The mean of each window.
adaptive_avg_pool1d     The means of windows that divide the input into output_size.
adaptive_avg_pool2d     The means of windows that divide the input into output_size.
adaptive_avg_pool3d     The means of windows that divide the input into output_size.
adaptive_max_pool1d     The maxima of windows that divide the input into output_size, and their places.
adaptive_max_pool2d     The maxima of windows that divide the input into output_size, and their places.
adaptive_max_pool3d     The maxima of windows that divide the input into output_size, and their places.

matmul                  The matrix product; vectors are a row or a column, dimensions in front are batches.
mm                      The product of two matrices.
bmm                     The products of two batches of matrices.
mv                      The product of a matrix and a vector.
dot                     The sum of the products of two vectors' elements.
inner                   The sums of products over the last dimension of both.
outer                   The matrix a_i b_j of two vectors.
conv1d                  The convolution of (N, C, L) by filters (K, C / groups, k): see conv2d.
conv2d                  bias[k] + sum over c, u, v of x[n, c, i s + u d - p, j s + v d - p] weight[k, c, u, v].
conv3d                  The convolution of (N, C, D, H, W) by filters (K, C / groups, kd, kh, kw): see conv2d.
rnn_tanh                Layers of h = tanh(W_ih x + b_ih + W_hh h + b_hh) over all steps: outputs and last states.
rnn_relu                Layers of h = relu(W_ih x + b_ih + W_hh h + b_hh) over all steps: outputs and last states.
gru                     Layers of gated recurrent units over all steps: the outputs and the last states.
lstm                    Layers of long short-term memory over all steps: the outputs and the last states h and c.
interpolate             The image in another size: nearest, linear or cubic between its elements.
pad                     Elements more at both ends of the last dimensions: a value, mirrored, repeated or circular.
var                     sum (x - mean)^2 / max(n - correction, 0)
amax                    The largest element along dimensions; the gradient is shared evenly by equals.
argmax                  Index of the first largest element along dim, or in the flattened tensor.
cummax                  The largest element so far, and its index.
nansum                  The sum, where NaN counts 0.
maximum                 The larger of both; NaN where either is.
minimum                 The smaller of both; NaN where either is.
fmax                    The larger of both; the other where one is NaN.
fmin                    The smaller of both; the other where one is NaN.
fmod                    a - b trunc(a / b), which has the sign of a.
remainder               a - b floor(a / b), which has the sign of b.
float_power             a^b in float64.
round                   The nearest integer, or number of so many decimals; half to even.
gelu                    x times the normal distribution's probability up to x, or its approximation by tanh.
prelu                   x where x > 0, else slope x; slope: one value, or one a channel (dimension 1).
equal                   Whether both have the same shape and elements.
allclose                Whether |a - b| <= atol + rtol |b| everywhere.
sort                    The elements in order along dim, and where they were; stable.
index_add               x with x[index[i], :, :] += alpha source[i, :, :], for dim = 0.
index_copy              x with x[index[i], :, :] = source[i, :, :], for dim = 0.
index_fill              x with x[index[i], :, :] = value, for dim = 0.
scatter_add             x with x[index[i, j, k], j, k] += src[i, j, k], for dim = 0.
bucketize               Between which boundaries each value lies: `searchsorted` in one list.
t                       A matrix transposed; a vector as it is.
mT                      The last two dimensions swapped.
split                   Parts of this size along dim; the last may be smaller.
hsplit                  Parts along the second dimension (the first for vectors).
vsplit                  Parts along the first dimension.
dsplit                  Parts along the third dimension.
hstack                  cat along the second dimension (the first for vectors).
vstack                  cat along the first dimension, of matrices; vectors are rows.
dstack                  cat along the third dimension.
column_stack            Columns, or matrices, side by side.
tril                    Elements (i, j) with j <= i + diagonal; zeros elsewhere.
triu                    Elements (i, j) with j >= i + diagonal; zeros elsewhere.
tile                    `repeat`, where missing repeats in front are 1.
diagflat                The flattened tensor as a diagonal matrix.
swapaxes                The same as transpose.
full                    All elements are the value, which gives the dtype unless that is given.
empty_strided           Whatever the memory holds; strides in elements.
fill_                   All elements become the value.
rand                    Drawn from U[0, 1).
randn                   Drawn from N(0, 1).
uniform_                Drawn from U[from, to).
normal_                 Drawn from N(mean, std^2).
cauchy_                 Drawn from the Cauchy distribution of this median and scale.
bernoulli_              1 with probability p, else 0.
contiguous              x, or a copy with its elements in the order of the dimensions, or as memory_format says.
unfold                  Windows of this size along dim, step apart, as the last dimension.

H                       A matrix transposed.
T                       All dimensions reversed.
mH                      The last two dimensions swapped.
real                    x itself.
data                    The same elements without history; assigning to it gives x another memory.
grad                    The gradient that backward has added up, or None.
grad_fn                 The node that computed x, or None.
requires_grad           Whether gradients are wanted.
requires_grad_          Says whether gradients are wanted; x.
is_leaf                 Whether no op that was recorded made x.
retains_grad            Whether a tensor that is no leaf keeps its grad.
retain_grad             Makes a tensor that is no leaf keep its grad.
output_nr               Which of its node's results x is.
backward                Adds the derivatives of x by the leaves into their grad.
register_hook           Calls a function with x's gradient, which may return another one.
register_post_accumulate_grad_hook  Calls a function with x after its grad was added up.
bfloat16                to(bfloat16)
bool                    to(bool)
byte                    to(uint8)
char                    to(int8)
double                  to(float64)
float                   to(float32)
half                    to(float16)
int                     to(int32)
long                    to(int64)
short                   to(int16)
type                    The name of the type; with an argument, to(dtype).
type_as                 to(the dtype of another tensor)
to                      x of another dtype, device or memory format; x itself where it is so already.
cpu                     x itself.
cuda                    x on a GPU; RuntimeError in a build without CUDA.
is_cpu                  True.
is_cuda                 Whether x is on a GPU.
is_sparse               Whether x is a gradient of rows (`nn.Embedding(sparse=True)`).
is_coalesced            Whether each row occurs once in a gradient of rows.
indices                 Which rows a gradient of rows has.
values                  The rows of a gradient of rows.
dense_dim               How many dimensions the rows of a gradient of rows have.
device                  Where the elements are.
dtype                   The type of the elements.
layout                  strided
shape                   The sizes.
size                    The sizes, or that of one dimension.
dim                     The number of dimensions.
ndim                    The number of dimensions.
ndimension              The number of dimensions.
nelement                The number of elements.
itemsize                Bytes of an element.
element_size            Bytes of an element.
nbytes                  Bytes of all elements.
stride                  Steps in memory along each dimension, in elements.
storage_offset          Elements of the memory in front of the first one.
data_ptr                The address of the first element.
is_contiguous           Whether the elements lie in memory in the order of the dimensions.
item                    The only element, a number.
tolist                  The elements in nested lists.
numpy                   An array over the same memory.
reshape_as              reshape to the shape of another tensor.
view_as                 view as the shape of another tensor.
resize_                 Another shape, over the same memory where that is large enough.
"""

DESCRIPTIONS = dict(line.split(None, 1) for line in _TEXT.splitlines() if line)
