// Fields of a protobuf message in wire format, for the few that a library does not give away or take.
// https://protobuf.dev/programming-guides/encoding
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace specdec {

struct ProtobufField {
  std::uint64_t number;
  std::uint64_t value;     // of a varint; 0 for the other types
  std::string_view bytes;  // of a length-delimited field
};

class ProtobufWriter {
 public:
  void varint(std::uint64_t field, std::uint64_t value);
  void number(std::uint64_t field, float value);
  void bytes(std::uint64_t field, std::string_view bytes);
  const std::string& message() const { return message_; }

 private:
  void put(std::uint64_t value);
  std::string message_;
};

class ProtobufReader {
 public:
  // `where` names the message in errors.
  ProtobufReader(std::string_view message, std::string_view where) : rest_(message), where_(where) {}
  std::optional<ProtobufField> next();  // nothing at the end; throws Error when the message is cut or malformed

 private:
  std::uint64_t varint();
  std::string_view take(std::uint64_t bytes);
  std::string_view rest_;
  std::string where_;
};

}  // namespace specdec
