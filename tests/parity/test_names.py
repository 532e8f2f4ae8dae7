"""Every function, method and in-place twin that PyTorch has under these names is there."""

import pytest

import dlcore

torch = pytest.importorskip("torch", reason="PyTorch is only an oracle for these tests; pip install torch==2.13.0")

NAMES = {
    "creation": """poisson binomial
        tensor as_tensor from_numpy empty zeros ones full eye arange linspace logspace rand randn
        randint randperm normal bernoulli multinomial empty_like zeros_like ones_like full_like rand_like randn_like
        randint_like new_tensor new_empty new_zeros new_ones new_full new_empty_strided empty_strided scalar_tensor""",
    "elementwise": """abs neg sign ceil floor round trunc exp expm1 log log1p log2 log10 sqrt rsqrt square
        reciprocal sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh sigmoid erf erfc erfinv lgamma digamma
        logit add sub
        mul div true_divide floor_divide fmod remainder pow atan2 maximum minimum fmax fmin clamp clamp_min clamp_max
        clip lerp addcmul addcdiv where xlogy logaddexp nan_to_num float_power rsub sgn absolute negative positive exp2
        frac fix arcsin arccos arctan arcsinh arccosh arctanh arctan2 subtract multiply divide relu""",
    "comparison": """eq ne lt le gt ge equal allclose isclose isfinite isinf isnan logical_and logical_or
        logical_xor logical_not bitwise_and bitwise_or bitwise_xor bitwise_not bitwise_left_shift bitwise_right_shift
        isin not_equal less less_equal greater greater_equal""",
    "reduction": """sum mean prod amax amin max min argmax argmin all any std var std_mean var_mean norm logsumexp
        softmax log_softmax cumsum cumprod cummax cummin count_nonzero bincount nansum median aminmax logcumsumexp""",
    "linear algebra": """matmul mm bmm mv dot vdot outer ger inner addmm addmv addr baddbmm addbmm einsum tensordot
        kron trace cdist chain_matmul cross""",
    "shape": """reshape view view_as reshape_as flatten unflatten ravel squeeze unsqueeze transpose T mT H mH
        adjoint permute movedim moveaxis swapaxes swapdims t expand expand_as broadcast_to broadcast_tensors
        broadcast_shapes repeat tile repeat_interleave cat concat concatenate stack hstack vstack dstack column_stack
        row_stack block_diag cartesian_prod split split_with_sizes tensor_split hsplit vsplit dsplit chunk unbind
        narrow select flip fliplr flipud roll rot90 diag diagflat diag_embed diagonal tril triu tril_indices
        triu_indices meshgrid clone contiguous as_strided unfold atleast_1d atleast_2d atleast_3d""",
    "recurrent": "lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell",
    "normalization": "batch_norm instance_norm group_norm layer_norm rms_norm",
    "indexing": """gather scatter scatter_add scatter_reduce index_select index_add index_fill index_put index_copy
        masked_fill masked_select masked_scatter take take_along_dim put nonzero argwhere sort argsort msort topk
        kthvalue unique unique_consecutive bucketize searchsorted""",
    "conversion": """to float double half bfloat16 long int short char byte bool type type_as item tolist numpy
        detach cpu cuda __array__ __array_wrap__ __array_priority__ __dlpack__ __dlpack_device__""",
    "attributes": """pi e inf nan newaxis size dim ndim ndimension numel nelement shape dtype device layout stride
        element_size itemsize nbytes data is_contiguous data_ptr storage_offset is_floating_point is_complex is_signed
        is_same_size is_nonzero get_device""",
    "changes": """zero_ fill_ copy_ uniform_ normal_ bernoulli_ exponential_ random_ cauchy_ log_normal_ geometric_
        resize_ celu_ selu_ rrelu_ threshold_ dropout_""",
    "module": """is_tensor is_grad_enabled get_default_dtype set_default_dtype get_default_device
        set_default_device set_printoptions result_type can_cast promote_types finfo iinfo manual_seed initial_seed
        seed Generator default_generator get_rng_state set_rng_state get_num_threads set_num_threads no_grad
        enable_grad set_grad_enabled inference_mode typename Size float32 float64 float16 bfloat16 int8 int16 int32
        int64 uint8 strided contiguous_format preserve_format channels_last save load from_dlpack distributions linalg
        profiler jit compile autocast set_float32_matmul_precision get_float32_matmul_precision is_anomaly_enabled
        is_anomaly_check_nan_enabled""",
    "autograd": """backward grad requires_grad requires_grad_ detach_ retain_grad retains_grad register_hook
        register_post_accumulate_grad_hook is_leaf grad_fn output_nr""",
    "operators": " ".join(
        f"__{prefix}{op}__"
        for op in "add sub mul truediv floordiv mod pow lshift rshift and or xor".split()
        for prefix in ("", "r", "i")
    )
    + """ __matmul__ __rmatmul__ __neg__ __pos__ __abs__ __invert__ __eq__ __ne__ __lt__ __le__ __gt__ __ge__
        __len__ __iter__ __reversed__ __contains__ __getitem__ __setitem__ __bool__ __int__ __float__ __index__
        __format__ __deepcopy__""",
}


@pytest.mark.parametrize("family", NAMES)
def test_names(family):
    missing = []
    for name in NAMES[family].split():
        twins = [name] if name.endswith("_") else [name, name + "_"]
        for place, ours, theirs in (("", dlcore, torch), ("Tensor.", dlcore.Tensor, torch.Tensor)):
            missing += [place + n for n in twins if hasattr(theirs, n) and not hasattr(ours, n)]
    missing = [n for n in missing if n not in ("cpu", "layout")]  # a module and a type of PyTorch's
    assert not missing
