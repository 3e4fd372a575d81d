#include "tokenizers/protobuf.h"

#include "core/error.h"

namespace specdec {
namespace {

constexpr std::uint64_t kVarint = 0, kEightBytes = 1, kBytes = 2, kFourBytes = 5;  // wire types

}  // namespace

void ProtobufWriter::put(std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) message_ += static_cast<char>(value | 0x80);
  message_ += static_cast<char>(value);
}

void ProtobufWriter::varint(std::uint64_t field, std::uint64_t value) {
  put(field << 3 | kVarint);
  put(value);
}

void ProtobufWriter::number(std::uint64_t field, float value) {
  put(field << 3 | kFourBytes);
  message_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void ProtobufWriter::bytes(std::uint64_t field, std::string_view bytes) {
  put(field << 3 | kBytes);
  put(bytes.size());
  message_ += bytes;
}

std::uint64_t ProtobufReader::varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const auto byte = static_cast<unsigned char>(take(1)[0]);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  throw Error("{}: a number of more than 64 bits; the file is damaged", where_);
}

std::string_view ProtobufReader::take(std::uint64_t bytes) {
  if (bytes > rest_.size())
    throw Error("{}: ends inside a field: {} bytes expected, {} left; the file is cut or damaged", where_, bytes,
                rest_.size());
  const std::string_view taken = rest_.substr(0, bytes);
  rest_.remove_prefix(bytes);
  return taken;
}

std::optional<ProtobufField> ProtobufReader::next() {
  if (rest_.empty()) return std::nullopt;
  const std::uint64_t tag = varint();
  ProtobufField field{tag >> 3, 0, {}};
  switch (tag & 7) {
    case kVarint:
      field.value = varint();
      break;
    case kEightBytes:
      take(8);
      break;
    case kBytes:
      field.bytes = take(varint());
      break;
    case kFourBytes:
      take(4);
      break;
    default:
      throw Error("{}: field {} has wire type {}, which does not exist; the file is damaged", where_, tag >> 3,
                  tag & 7);
  }
  return field;
}

}  // namespace specdec
