#include "muster/server/http/chunk_decoder.h"

#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <vector>

namespace muster::server::http {
namespace {

struct Decoded {
  std::string body;
  std::string rest;  // of the input, behind the body
  std::string error;
  bool done = false;
  bool operator==(const Decoded&) const = default;
  friend void PrintTo(const Decoded& d, std::ostream* os) {
    *os << '"' << d.body << "\" rest \"" << d.rest << "\" " << d.error << (d.done ? " done" : "");
  }
};

Decoded Decode(const std::string& message, std::size_t cut = std::string::npos,
               std::size_t max_chunks = 100) {
  ChunkDecoder decoder(max_chunks);
  Decoded result;
  const std::string first = message.substr(0, cut);
  const std::string second = cut < message.size() ? message.substr(cut) : "";
  for (const std::string& piece : {first, second}) {
    std::string_view input = piece;
    while (!input.empty() && !decoder.done()) {
      const auto bytes = decoder.Next(input);
      if (!bytes) return {"", "", std::string(bytes.error().Reason()), false};
      result.body += *bytes;
    }
    result.rest += input;
  }
  result.done = decoder.done();
  return result;
}

TEST(ChunkDecoder, JoinsChunksAndDropsExtensionsAndTrailers) {
  EXPECT_EQ(Decode("5\r\nhello\r\n6;a=\"b\"\r\n world\r\n000\r\nX-Sum: 1\r\n\r\nGET"),
            (Decoded{"hello world", "GET", "", true}));
  EXPECT_EQ(Decode("0\r\n\r\n"), (Decoded{"", "", "", true}));
  EXPECT_EQ(Decode("A\r\n0123456789"), (Decoded{"0123456789", "", "", false}));
}

TEST(ChunkDecoder, SaysTheSameWhereverItIsCut) {
  for (const std::string message :
       {"5\r\nhello\r\n1a;x\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nA: b\r\nC: d\r\n\r\nnext",
        "3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n", "3\r\nabcd\r\n", "g\r\n",
        "3\r\nabc\r\n\r\n"}) {
    const Decoded whole = Decode(message);
    for (std::size_t cut = 0; cut <= message.size(); ++cut) {
      EXPECT_EQ(Decode(message, cut), whole) << message << " at " << cut;
    }
  }
}

TEST(ChunkDecoder, RefusesBadFraming) {
  using namespace std::string_literals;
  for (const std::string& message :
       std::vector<std::string>{"ffffffffffffffff\r\n",  // P4
                                "0000000000000001\r\n",
                                "-1\r\n",
                                "+1\r\n",
                                "0x1\r\n",
                                " 1\r\n",
                                "1 \r\nx",
                                "\r\n",
                                ";a\r\n",
                                "1\nx\r\n",
                                "1\r\nxy\r\n",
                                "1\r\nx\n",
                                "1\r\nx\r\r",
                                "1;a\nb\r\nx",
                                "1;a\0\r\n"s,
                                "1\rx",
                                "1;" + std::string(5000, 'e') + "\r\n",  // P4
                                "0\r\nContent-Length: 5\r\n\r\n",        // P4
                                "0\r\nTransfer-Encoding: chunked\r\n\r\n",
                                "0\r\nHost: x\r\n\r\n",
                                "0\r\nA : b\r\n\r\n",
                                "0\r\n A: b\r\n\r\n",
                                "0\r\nA: b\n\r\n",
                                "0\r\nA: \0\r\n\r\n"s,
                                "0\r\nA: " + std::string(9000, 'b') + "\r\n\r\n"}) {
    EXPECT_EQ(Decode(message).error, "MALFORMED_REQUEST") << message.substr(0, 40);
  }
}

TEST(ChunkDecoder, RefusesLongExtensionsSpreadOverManyChunks) {
  std::string message;
  for (int i = 0; i < 60; ++i) message += "1;" + std::string(100, 'e') + "\r\nx\r\n";
  EXPECT_EQ(Decode(message).error, "MALFORMED_REQUEST");
}

TEST(ChunkDecoder, CountsChunks) {
  std::string message;
  for (int i = 0; i < 100; ++i) message += "1\r\nx\r\n";
  EXPECT_TRUE(Decode(message + "0\r\n\r\n").done);
  EXPECT_EQ(Decode(message + "1\r\nx\r\n0\r\n\r\n").error, "TOO_MANY_CHUNKS");
}

}  // namespace
}  // namespace muster::server::http
