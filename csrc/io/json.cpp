#include "io/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace dlcore {
namespace {

constexpr size_t kMaxValues = 1 << 22;  // a value takes 50 times the memory of its text "1,"

class Parser {
 public:
  Parser(std::string_view text, int max_depth) : text_(text), left_(max_depth) {}

  Json whole() {
    Json v = value();
    space();
    check(at_ == text_.size(), "more text after the value");
    return v;
  }

 private:
  void check(bool ok, const char* what) const { DLCORE_CHECK(ok, ValueError, "JSON: ", what, " at byte ", at_); }
  // The next character; 0, which no JSON has, behind the end.
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void space() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++at_;
  }
  Json word(std::string_view word, Json v) {
    check(text_.substr(at_, word.size()) == word, "an unknown value");
    at_ += word.size();
    return v;
  }

  Json value() {
    check(++values_ <= kMaxValues, "too many values");
    space();
    switch (peek()) {
      case '{':
        return object();
      case '[':
        return array();
      case '"':
        return string();
      case 't':
        return word("true", true);
      case 'f':
        return word("false", false);
      case 'n':
        return word("null", {});
      default:
        return number();
    }
  }

  Json object() {
    check(left_-- > 0, "too deep a nesting");
    Json result{Json::Members{}};
    ++at_;
    space();
    if (!take('}')) {
      do {
        space();
        check(peek() == '"', "no key");
        std::string key = string();
        space();
        check(take(':'), "no colon");
        result.members.emplace_back(std::move(key), value());
        space();
      } while (take(','));
      check(take('}'), "no end of an object");
    }
    std::vector<std::string_view> keys;
    for (const auto& member : result.members) keys.push_back(member.first);
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    DLCORE_CHECK(twice == keys.end(), ValueError, "JSON: an object has the key \"", *twice, "\" twice");
    ++left_;
    return result;
  }

  Json array() {
    check(left_-- > 0, "too deep a nesting");
    Json result{std::vector<Json>{}};
    ++at_;
    space();
    if (!take(']')) {
      do {
        result.items.push_back(value());
        space();
      } while (take(','));
      check(take(']'), "no end of an array");
    }
    ++left_;
    return result;
  }

  void digits() {
    check(peek() >= '0' && peek() <= '9', "no digit");
    while (peek() >= '0' && peek() <= '9') ++at_;
  }

  Json number() {
    const size_t begin = at_;
    take('-');
    if (!take('0')) digits();
    bool whole = true;
    if (take('.')) {
      whole = false;
      digits();
    }
    if (take('e') || take('E')) {
      whole = false;
      if (!take('+')) take('-');
      digits();
    }
    const char *first = text_.data() + begin, *last = text_.data() + at_;
    int64_t i = 0;
    if (whole && std::from_chars(first, last, i).ec == std::errc()) return i;
    double v = 0;
    check(std::from_chars(first, last, v).ec == std::errc(), "a number out of range");
    return v;
  }

  std::string string() {
    std::string result;
    ++at_;
    while (!take('"')) {
      check(at_ < text_.size(), "no end of a string");
      const auto c = static_cast<unsigned char>(text_[at_]);
      check(c >= 0x20, "a control character");
      if (c == '\\')
        escape(result);
      else if (c < 0x80)
        result += text_[at_++];
      else
        utf8(result, c);
    }
    return result;
  }

  // A character beyond ASCII: no longer than need be, no surrogate, at most U+10FFFF.
  void utf8(std::string& result, unsigned char lead) {
    const size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    check(lead >= 0xC2 && lead <= 0xF4 && text_.size() - at_ >= length, "bytes that are not UTF-8");
    uint32_t code = lead & (0x7Fu >> length);
    for (size_t i = 1; i < length; ++i) {
      const auto c = static_cast<unsigned char>(text_[at_ + i]);
      check((c & 0xC0) == 0x80, "bytes that are not UTF-8");
      code = code << 6 | (c & 0x3Fu);
    }
    const uint32_t least = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000;
    check(code >= least && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF), "bytes that are not UTF-8");
    result.append(text_, at_, length);
    at_ += length;
  }

  uint32_t hex4() {
    uint32_t code = 0;
    check(text_.size() - at_ >= 4, "no four hexadecimal digits");
    const char* end = text_.data() + at_ + 4;
    check(std::from_chars(text_.data() + at_, end, code, 16).ptr == end, "no four hexadecimal digits");
    at_ += 4;
    return code;
  }

  void escape(std::string& result) {
    ++at_;
    static constexpr std::string_view kNames = "\"\\/bfnrt", kValues = "\"\\/\b\f\n\r\t";
    const size_t simple = at_ < text_.size() ? kNames.find(text_[at_]) : std::string_view::npos;
    if (simple != std::string_view::npos) {
      result += kValues[simple];
      ++at_;
      return;
    }
    check(take('u'), "an unknown escape");
    uint32_t code = hex4();
    if (code >= 0xD800 && code <= 0xDBFF) {
      check(take('\\') && take('u'), "a lone surrogate");
      const uint32_t low = hex4();
      check(low >= 0xDC00 && low <= 0xDFFF, "a lone surrogate");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else {
      check(code < 0xDC00 || code > 0xDFFF, "a lone surrogate");
    }
    const auto tail = [&](int shift) { result += static_cast<char>(0x80 | (code >> shift & 0x3F)); };
    if (code < 0x80) {
      result += static_cast<char>(code);
    } else if (code < 0x800) {
      result += static_cast<char>(0xC0 | code >> 6);
      tail(0);
    } else if (code < 0x10000) {
      result += static_cast<char>(0xE0 | code >> 12);
      tail(6), tail(0);
    } else {
      result += static_cast<char>(0xF0 | code >> 18);
      tail(12), tail(6), tail(0);
    }
  }

  std::string_view text_;
  size_t at_ = 0, values_ = 0;
  int left_;  // levels that may still be opened
};

void write_string(std::string& out, const std::string& s) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : s) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

template <class T>
void write_number(std::string& out, T value) {
  char text[32];
  out.append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

void write(std::string& out, const Json& v) {
  switch (v.kind) {
    case Json::Kind::Null:
      out += "null";
      break;
    case Json::Kind::Bool:
      out += v.integer ? "true" : "false";
      break;
    case Json::Kind::Integer:
      write_number(out, v.integer);
      break;
    case Json::Kind::Real:
      DLCORE_CHECK(std::isfinite(v.real), ValueError, "JSON: has no number ", v.real);
      write_number(out, v.real);
      break;
    case Json::Kind::String:
      write_string(out, v.string);
      break;
    case Json::Kind::Array:
      out += '[';
      for (const Json& item : v.items) {
        if (&item != v.items.data()) out += ',';
        write(out, item);
      }
      out += ']';
      break;
    case Json::Kind::Object:
      out += '{';
      for (const auto& member : v.members) {
        if (&member != v.members.data()) out += ',';
        write_string(out, member.first);
        out += ':';
        write(out, member.second);
      }
      out += '}';
      break;
  }
}

}  // namespace

const Json* Json::find(std::string_view key) const {
  for (const auto& member : members)
    if (member.first == key) return &member.second;
  return nullptr;
}

Json parse_json(std::string_view text, int max_depth) { return Parser(text, max_depth).whole(); }

std::string to_text(const Json& value) {
  std::string out;
  write(out, value);
  return out;
}

}  // namespace dlcore
