// Sums of products over named dimensions. Everything is permuted into matmul and back; gradients follow from that.
#include <string>

#include "ops/internal.h"

namespace dlcore {
namespace {

constexpr int kEllipsis =
    52;  // labels below are letters, from here on the dimensions that ... stands for, right to left
constexpr int kLabels = kEllipsis + kMaxDims;
using Labels = std::vector<int>;

bool contains(const Labels& list, int label) { return std::find(list.begin(), list.end(), label) != list.end(); }

// A tensor whose dimensions have names, each once.
struct Named {
  Tensor x;
  Labels labels;
  int64_t find(int label) const { return std::find(labels.begin(), labels.end(), label) - labels.begin(); }
  bool has(int label) const { return contains(labels, label); }
  int64_t size(int label) const { return x.sizes()[find(label)]; }
};

// x with these dimensions in this order; those that it lacks have size 1.
Tensor arranged(const Named& a, const Labels& order) {
  Dims dims;
  for (int l : order)
    if (a.has(l)) dims.push_back(a.find(l));
  Tensor y = permute(a.x, dims);
  for (size_t i = 0; i < order.size(); ++i)
    if (!a.has(order[i])) y = unsqueeze(y, static_cast<int64_t>(i));
  return y;
}

Named summed(const Named& a, const Labels& gone) {
  Dims dims;
  Labels rest;
  for (int l : a.labels) {
    if (contains(gone, l))
      dims.push_back(a.find(l));
    else
      rest.push_back(l);
  }
  return dims.empty() ? a : Named{sum(a.x, IntSpan(dims)), rest};
}

// Sum over the labels that are not kept of a times b.
Named contract(Named a, Named b, const std::vector<bool>& kept) {
  Labels batch, rows, columns, inner, gone;
  for (int l : a.labels) {
    const size_t i = static_cast<size_t>(l);
    if (!b.has(l))
      (kept[i] ? rows : gone).push_back(l);
    else if (kept[i])
      batch.push_back(l);
    else if (a.size(l) == b.size(l))
      inner.push_back(l);
    else
      gone.push_back(l);  // size 1 in one of them: the other is summed
  }
  for (int l : b.labels)
    if (!a.has(l)) (kept[static_cast<size_t>(l)] ? columns : gone).push_back(l);
  a = summed(a, gone);
  b = summed(b, gone);
  Labels order = batch;
  order.insert(order.end(), rows.begin(), rows.end());
  if (inner.empty()) {
    order.insert(order.end(), columns.begin(), columns.end());
    return {mul(arranged(a, order), arranged(b, order)), order};
  }
  // (batch, rows, inner) times (batch, inner, columns): each group becomes one dimension.
  const auto grouped = [&](const Named& t, const Labels& first, const Labels& second) {
    Labels all = batch;
    all.insert(all.end(), first.begin(), first.end());
    all.insert(all.end(), second.begin(), second.end());
    Dims sizes;
    for (int l : batch) sizes.push_back(t.size(l));
    for (const Labels* group : {&first, &second}) {
      int64_t n = 1;
      for (int l : *group) n *= t.size(l);
      sizes.push_back(n);
    }
    return reshape(arranged(t, all), sizes);
  };
  const Tensor y = matmul(grouped(a, rows, inner), grouped(b, inner, columns));
  Dims sizes;
  for (size_t i = 0; i < batch.size(); ++i) sizes.push_back(y.sizes()[static_cast<int64_t>(i)]);
  for (int l : rows) sizes.push_back(a.size(l));
  for (int l : columns) sizes.push_back(b.size(l));
  order.insert(order.end(), columns.begin(), columns.end());
  return {reshape(y, sizes), order};
}

int label_of(char c, const std::string& equation) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  fail<RuntimeError>("einsum: equation must consist of letters, commas, ... and ->, got '", equation, "'");
}

// One side of the equation, or one operand of it. `dims`: how many dimensions ... stands for.
Labels parse(const std::string& text, int64_t dims, const std::string& equation) {
  Labels labels;
  bool seen = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.') {
      DLCORE_CHECK(!seen && text.compare(i, 3, "...") == 0, RuntimeError,
                   "einsum: '.' must come as one ... in a term, got '", equation, "'");
      seen = true;
      i += 2;
      for (int64_t d = dims - 1; d >= 0; --d) labels.push_back(kEllipsis + static_cast<int>(d));
    } else {
      labels.push_back(label_of(text[i], equation));
    }
  }
  return labels;
}

std::vector<std::string> split_terms(const std::string& text) {
  std::vector<std::string> terms(1);
  for (char c : text) {
    if (c == ',')
      terms.emplace_back();
    else
      terms.back() += c;
  }
  return terms;
}

// An operand with its labels: a label that is repeated takes the diagonal.
Named operand(const Tensor& x, const std::string& term, size_t number, const std::string& equation) {
  const bool open = term.find("...") != std::string::npos;
  const int64_t letters = static_cast<int64_t>(term.size()) - (open ? 3 : 0);
  DLCORE_CHECK(open ? letters <= x.dim() : letters == x.dim(), RuntimeError, "einsum: term '", term, "' of operand ",
               number, " must have a letter for each dimension; expected ", x.dim(), " but got ", letters);
  const Labels labels = parse(term, x.dim() - letters, equation);
  Named a{x, labels};
  for (size_t i = 0; i < a.labels.size(); ++i)
    for (size_t j = i + 1; j < a.labels.size();) {
      if (a.labels[i] != a.labels[j]) {
        ++j;
        continue;
      }
      const int64_t d = static_cast<int64_t>(i), e = static_cast<int64_t>(j);
      DLCORE_CHECK(a.x.sizes()[d] == a.x.sizes()[e], RuntimeError, "einsum: a repeated letter in '", term,
                   "' must name dimensions of one size; got ", a.x.sizes()[d], " and ", a.x.sizes()[e]);
      a.x = movedim(diagonal(a.x, 0, d, e), {-1}, {d});
      a.labels.erase(a.labels.begin() + static_cast<std::ptrdiff_t>(j));
    }
  return a;
}

}  // namespace

Tensor einsum(const std::string& equation, const TensorList& operands) {
  std::string text;
  for (char c : equation)
    if (c != ' ') text += c;
  const size_t arrow = text.find("->");
  const std::vector<std::string> terms = split_terms(text.substr(0, arrow));
  DLCORE_CHECK(!operands.empty() && terms.size() == operands.size(), RuntimeError, "einsum: equation '", equation,
               "' must have a term for each operand; expected ", operands.size(), " but got ", terms.size());
  std::vector<Named> list;
  for (size_t i = 0; i < terms.size(); ++i) list.push_back(operand(operands[i], terms[i], i, equation));

  std::vector<int> uses(kLabels, 0);
  std::vector<int64_t> sizes(kLabels, 1);
  int64_t ellipsis = 0;
  for (size_t i = 0; i < list.size(); ++i)
    for (int l : list[i].labels) {
      const size_t k = static_cast<size_t>(l);
      const int64_t n = list[i].size(l);
      DLCORE_CHECK(n == sizes[k] || n == 1 || sizes[k] == 1, RuntimeError, "einsum: operand ", i, " has size ", n,
                   " in a dimension of '", equation, "' where others have size ", sizes[k]);
      if (n != 1) sizes[k] = n;
      ++uses[k];
      if (l >= kEllipsis) ellipsis = std::max<int64_t>(ellipsis, l - kEllipsis + 1);
    }

  Labels output;
  if (arrow != std::string::npos) {
    output = parse(text.substr(arrow + 2), ellipsis, equation);
    for (size_t i = 0; i < output.size(); ++i) {
      const bool again = std::find(output.begin(), output.begin() + static_cast<std::ptrdiff_t>(i), output[i]) !=
                         output.begin() + static_cast<std::ptrdiff_t>(i);
      DLCORE_CHECK(!again && uses[static_cast<size_t>(output[i])], RuntimeError, "einsum: the output of '", equation,
                   "' must name each of its letters once, and only letters of the input");
    }
  } else {
    // What ... stands for, then the letters that occur once in all terms, capital letters first.
    std::vector<int> written(kEllipsis, 0);
    for (const std::string& term : terms)
      for (char c : term)
        if (c != '.') ++written[static_cast<size_t>(label_of(c, equation))];
    output = parse("...", ellipsis, equation);
    for (int l = 0; l < kEllipsis; ++l)
      if (written[static_cast<size_t>(l)] == 1) output.push_back(l);
  }

  // From left to right; a label is summed as soon as no later operand has it.
  Named result = list[0];
  const auto needed = [&](size_t next) {
    std::vector<bool> kept(kLabels, false);
    for (int l : output) kept[static_cast<size_t>(l)] = true;
    for (size_t i = next; i < list.size(); ++i)
      for (int l : list[i].labels) kept[static_cast<size_t>(l)] = true;
    return kept;
  };
  for (size_t i = 1; i < list.size(); ++i) result = contract(std::move(result), list[i], needed(i + 1));
  Labels gone;
  for (int l : result.labels)
    if (!contains(output, l)) gone.push_back(l);
  return arranged(summed(result, gone), output);
}

Tensor tensordot(const Tensor& a, const Tensor& b, IntSpan dims_a, IntSpan dims_b) {
  DLCORE_CHECK(dims_a.size() == dims_b.size(), RuntimeError, "tensordot: both lists of dims must have one length; got ",
               dims_a, " and ", dims_b);
  Named x{a, {}}, y{b, {}};
  DLCORE_CHECK(a.dim() + b.dim() < kLabels, RuntimeError, "tensordot: too many dimensions");
  for (int64_t d = 0; d < a.dim(); ++d) x.labels.push_back(static_cast<int>(d));
  for (int64_t d = 0; d < b.dim(); ++d) y.labels.push_back(static_cast<int>(a.dim() + d));
  std::vector<bool> kept(kLabels, true);
  for (int64_t i = 0; i < dims_a.size(); ++i) {
    const int64_t d = wrap_dim("tensordot", dims_a[i], a.dim()), e = wrap_dim("tensordot", dims_b[i], b.dim());
    DLCORE_CHECK(kept[static_cast<size_t>(d)] && y.labels[static_cast<size_t>(e)] >= a.dim(), RuntimeError,
                 "tensordot: dims must not name a dimension twice, got ", dims_a, " and ", dims_b);
    DLCORE_CHECK(a.sizes()[d] == b.sizes()[e] || a.sizes()[d] == 1 || b.sizes()[e] == 1, RuntimeError,
                 "tensordot: contracted dimensions must have one size; got ", a.sizes()[d], " in dimension ", d,
                 " of a and ", b.sizes()[e], " in dimension ", e, " of b");
    kept[static_cast<size_t>(d)] = false;
    y.labels[static_cast<size_t>(e)] = static_cast<int>(d);
  }
  return contract(std::move(x), std::move(y), kept).x;
}

Tensor tensordot(const Tensor& a, const Tensor& b, int64_t dims) {
  DLCORE_CHECK(dims >= 0 && dims <= std::min(a.dim(), b.dim()), RuntimeError, "tensordot: dims must be in [0, ",
               std::min(a.dim(), b.dim()), "] but got ", dims);
  Dims last, first;
  for (int64_t i = 0; i < dims; ++i) {
    last.push_back(a.dim() - dims + i);
    first.push_back(i);
  }
  return tensordot(a, b, last, first);
}

// y[i0 b0 + j0, i1 b1 + j1, ...] = a[i0, i1, ...] b[j0, j1, ...]
Tensor kron(const Tensor& a, const Tensor& b) {
  const int64_t n = std::max(a.dim(), b.dim());
  Dims left, right, sizes;
  for (int64_t i = 0; i < n; ++i) {
    const auto size = [&](const Tensor& t) { return i < n - t.dim() ? 1 : t.sizes()[i - (n - t.dim())]; };
    left.push_back(size(a));
    left.push_back(1);
    right.push_back(1);
    right.push_back(size(b));
    sizes.push_back(size(a) * size(b));
  }
  return reshape(mul(reshape(a, left), reshape(b, right)), sizes);
}

Tensor trace(const Tensor& x) {
  DLCORE_CHECK(x.dim() == 2, RuntimeError, "trace: input must be a matrix but got shape ", x.sizes());
  return sum(diagonal(x));
}

// The product in the order that costs the fewest multiplications.
Tensor chain_matmul(const TensorList& matrices) {
  DLCORE_CHECK(!matrices.empty(), RuntimeError, "chain_matmul: expected at least one matrix");
  for (const Tensor& m : matrices)
    DLCORE_CHECK(m.dim() == 2, RuntimeError, "chain_matmul: every operand must be a matrix but got shape ", m.sizes());
  const size_t n = matrices.size();
  const auto rows = [&](size_t i) {
    return static_cast<double>(i < n ? matrices[i].size(0) : matrices[n - 1].size(1));
  };
  std::vector<std::vector<double>> cost(n, std::vector<double>(n, 0));
  std::vector<std::vector<size_t>> cut(n, std::vector<size_t>(n, 0));
  for (size_t length = 1; length < n; ++length)
    for (size_t i = 0; i + length < n; ++i) {
      const size_t j = i + length;
      cost[i][j] = -1;
      for (size_t k = i; k < j; ++k) {
        const double c = cost[i][k] + cost[k + 1][j] + rows(i) * rows(k + 1) * rows(j + 1);
        if (cost[i][j] < 0 || c < cost[i][j]) {
          cost[i][j] = c;
          cut[i][j] = k;
        }
      }
    }
  const std::function<Tensor(size_t, size_t)> product = [&](size_t i, size_t j) {
    return i == j ? matrices[i] : mm(product(i, cut[i][j]), product(cut[i][j] + 1, j));
  };
  return product(0, n - 1);
}

// (a1 b2 - a2 b1, a2 b0 - a0 b2, a0 b1 - a1 b0) along dim
Tensor cross(const Tensor& a, const Tensor& b, std::optional<int64_t> d) {
  const Dims sizes = broadcast_shapes("cross", a.sizes(), b.sizes());
  int64_t dim = -1;
  if (d) {
    dim = wrap_dim("cross", *d, sizes.size());
  } else {
    for (int64_t i = 0; i < sizes.size() && dim < 0; ++i)
      if (sizes[i] == 3) dim = i;
  }
  DLCORE_CHECK(dim >= 0 && dim < sizes.size() && sizes[dim] == 3, RuntimeError,
               "cross: inputs must have size 3 along dim; got shapes ", a.sizes(), " and ", b.sizes());
  const Tensor x = expand(a, sizes), y = expand(b, sizes);
  const auto part = [&](const Tensor& t, int64_t i) { return select(t, dim, i % 3); };
  TensorList parts;
  for (int64_t i = 0; i < 3; ++i) parts.push_back(part(x, i + 1) * part(y, i + 2) - part(x, i + 2) * part(y, i + 1));
  return stack(parts, dim);
}

Tensor vecdot(const Tensor& a, const Tensor& b, int64_t dim) { return sum(mul(a, b), IntSpan({dim})); }

}  // namespace dlcore
