// Trains LeNet-5 on images of digits and saves it, layers and weights, for server.cpp:
//
//   train_lenet lenet.safetensors [digits.csv | train-images-idx3-ubyte train-labels-idx1-ubyte]
//
// A line of the CSV file is a label from 0 to 9 and the pixels of a square image, separated by commas; two files are
// MNIST's. Without a file the digits are drawn: seven segments in 16x16 pixels, shifted, of varying brightness, under
// noise.
#include <dlcore/dlcore.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace dlcore;

namespace {

struct Digits {
  int64_t side = 0;
  std::vector<float> pixels;  // image after image
  std::vector<int64_t> labels;
  int64_t size() const { return static_cast<int64_t>(labels.size()); }
};

Digits draw_digits(int64_t count) {
  // Segments as bits: top, upper left, upper right, middle, lower left, lower right, bottom.
  constexpr int kSegments[10] = {0b1110111, 0b0100100, 0b1011101, 0b1101101, 0b0101110,
                                 0b1101011, 0b1111011, 0b0100101, 0b1111111, 0b1101111};
  constexpr int kSide = 16;
  std::mt19937 random(0);
  const auto uniform = [&](double a, double b) { return std::uniform_real_distribution<double>(a, b)(random); };
  Digits d{kSide, {}, {}};
  for (int64_t i = 0; i < count; ++i) {
    const int64_t label = i % 10;
    const int segments = kSegments[label], top = 2 + static_cast<int>(uniform(0, 4)),
              left = 3 + static_cast<int>(uniform(0, 5));
    const double bright = uniform(0.5, 1);
    const auto on = [&](int y, int x) {  // 11 rows, 6 columns
      const bool rows[3] = {y == 0, y == 5, y == 10}, upper = y > 0 && y < 5, lower = y > 5 && y < 10;
      return (rows[0] && segments & 1) || (upper && x == 0 && segments & 2) || (upper && x == 5 && segments & 4) ||
             (rows[1] && segments & 8) || (lower && x == 0 && segments & 16) || (lower && x == 5 && segments & 32) ||
             (rows[2] && segments & 64);
    };
    for (int y = 0; y < kSide; ++y)
      for (int x = 0; x < kSide; ++x) {
        const bool inside = y >= top && y < top + 11 && x >= left && x < left + 6;
        const double ink = inside && on(y - top, x - left) ? bright : 0;
        d.pixels.push_back(static_cast<float>(ink + uniform(-0.2, 0.2)));
      }
    d.labels.push_back(label);
  }
  return d;
}

Digits read_csv(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot open " + path);
  Digits d;
  std::string line;
  for (int64_t row = 1; std::getline(file, line); ++row) {
    std::vector<float> numbers;
    const char *at = line.data(), *end = at + line.size();
    for (;;) {
      float number = 0;
      const auto [next, error] = std::from_chars(at, end, number);
      if (error != std::errc() || (next != end && *next != ','))
        throw std::runtime_error(path + ", line " + std::to_string(row) + ", column " +
                                 std::to_string(at - line.data() + 1) + ": expected a number");
      numbers.push_back(number);
      if (next == end) break;
      at = next + 1;
    }
    const auto side = static_cast<int64_t>(std::sqrt(static_cast<double>(numbers.size())));
    if (d.side == 0) d.side = side;
    if (d.side < 12 || d.side * d.side + 1 != static_cast<int64_t>(numbers.size()) || numbers[0] < 0 || numbers[0] > 9)
      throw std::runtime_error(path + ", line " + std::to_string(row) +
                               ": expected a label from 0 to 9 and the pixels of a square image, 12x12 or larger, of "
                               "the same size in each line");
    d.labels.push_back(static_cast<int64_t>(numbers[0]));
    d.pixels.insert(d.pixels.end(), numbers.begin() + 1, numbers.end());
  }
  if (d.labels.empty()) throw std::runtime_error(path + " is empty");
  return d;
}

// The sizes and bytes of an IDX file: two zero bytes, 8 for bytes, the number of sizes, the sizes as 32-bit numbers,
// most significant byte first, and the elements.
std::pair<std::vector<int64_t>, std::string> read_idx(const std::string& path, size_t dims) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  const auto byte = [&](size_t i) { return static_cast<int64_t>(static_cast<unsigned char>(bytes[i])); };
  const size_t header = 4 + 4 * dims;
  if (bytes.size() < header || byte(0) || byte(1) || byte(2) != 8 || byte(3) != static_cast<int64_t>(dims))
    throw std::runtime_error(path + ": expected an IDX file of bytes in " + std::to_string(dims) + " dimensions");
  std::vector<int64_t> sizes;
  auto rest = static_cast<int64_t>(bytes.size() - header);
  for (size_t i = 4; i < header; i += 4)
    sizes.push_back(byte(i) << 24 | byte(i + 1) << 16 | byte(i + 2) << 8 | byte(i + 3));
  for (const int64_t size : sizes) rest = size && rest % size == 0 ? rest / size : 0;
  if (rest != 1) throw std::runtime_error(path + ": its length is not that of its sizes");
  return {sizes, bytes.substr(header)};
}

Digits read_mnist(const std::string& image_path, const std::string& label_path) {
  const auto [sizes, images] = read_idx(image_path, 3);
  const auto [count, labels] = read_idx(label_path, 1);
  if (sizes[0] != count[0] || sizes[1] != sizes[2] || sizes[1] < 12)
    throw std::runtime_error(image_path + ": expected as many images as labels, square, 12x12 or larger");
  Digits d{sizes[1], {}, {}};
  for (const char label : labels) {
    if (label < 0 || label > 9) throw std::runtime_error(label_path + ": expected labels from 0 to 9");
    d.labels.push_back(label);
  }
  for (const char pixel : images) d.pixels.push_back(static_cast<float>(static_cast<unsigned char>(pixel)) / 255);
  return d;
}

void build_lenet(nn::Sequential& net, int64_t side) {
  const int64_t last = (side / 2 - 4) / 2;  // after two convolutions and poolings
  net.add<nn::Conv2d>(1, 6, 5, nn::Conv2dOptions{.padding = 2}).add<nn::ReLU>().add<nn::MaxPool2d>(2);
  net.add<nn::Conv2d>(6, 16, 5).add<nn::ReLU>().add<nn::MaxPool2d>(2).add<nn::Flatten>();
  net.add<nn::Linear>(16 * last * last, 120).add<nn::ReLU>();
  net.add<nn::Linear>(120, 84).add<nn::ReLU>().add<nn::Linear>(84, 10);
}

}  // namespace

int main(int count, char** arguments) try {
  if (count < 2 || count > 4)
    throw std::runtime_error("usage: train_lenet MODEL.safetensors [DIGITS.csv | IMAGES LABELS]");
  const Digits digits = count == 4   ? read_mnist(arguments[2], arguments[3])
                        : count == 3 ? read_csv(arguments[2])
                                     : draw_digits(1800);
  const int64_t n = digits.size(), side = digits.side, held_out = n / 6, batch = 30;
  const Tensor images = empty({n, 1, side, side}), labels = empty({n}, DType::Int64);
  std::copy(digits.pixels.begin(), digits.pixels.end(), images.data<float>());
  std::copy(digits.labels.begin(), digits.labels.end(), labels.data<int64_t>());

  default_generator().set_seed(0);
  nn::Sequential net;
  build_lenet(net, side);
  AdamW optimizer(net.parameters(), 2e-3);
  for (int epoch = 1; epoch <= 6; ++epoch) {
    net.train();
    double total = 0;
    const Tensor order = randperm(n - held_out) + held_out;
    for (const Tensor& rows : split(order, batch)) {
      const Tensor loss = cross_entropy(net(index_select(images, 0, rows)), index_select(labels, 0, rows));
      optimizer.zero_grad();
      loss.backward();
      optimizer.step();
      total += loss.item().to_double() * static_cast<double>(rows.numel());
    }
    net.eval();
    const NoGrad no_grad;
    const Tensor predicted = argmax(net(narrow(images, 0, 0, held_out)), 1);
    const double right =
        mean(to_dtype(eq(predicted, narrow(labels, 0, 0, held_out)), DType::Float32)).item().to_double();
    std::printf("epoch %d: loss %.4f, %.1f%% of the held-out images\n", epoch,
                total / static_cast<double>(n - held_out), 100 * right);
  }
  net.save(arguments[1]);
} catch (const std::exception& e) {
  std::fprintf(stderr, "train_lenet: %s\n", e.what());
  return 1;
}
