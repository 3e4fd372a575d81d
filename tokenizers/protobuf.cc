#include "tokenizers/protobuf.h"

#include "core/error.h"

namespace specdec {

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
    case 0:
      field.value = varint();
      break;
    case 1:
      take(8);
      break;
    case 2:
      field.bytes = take(varint());
      break;
    case 5:
      take(4);
      break;
    default:
      throw Error("{}: field {} has wire type {}, which does not exist; the file is damaged", where_, tag >> 3,
                  tag & 7);
  }
  return field;
}

}  // namespace specdec
