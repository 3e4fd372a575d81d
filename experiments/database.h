// SQLite, with errors that say what a user can do.
//   Database db(path, Database::Mode::write);
//   Transaction transaction(db);
//   db.prepare("DELETE FROM claim WHERE process = ?").bind(process).run();
//   transaction.commit();
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace specdec {

class Statement {
 public:
  // Values for the question marks, from the first.
  template <typename... Values>
  Statement& bind(const Values&... values) {
    int place = 0;
    (bind_at(++place, values), ...);
    return *this;
  }
  bool step();  // to the next row; false: there is none
  void run();   // a statement without rows
  std::int64_t integer(int column) const;
  double number(int column) const;  // NaN: NULL, which is what SQLite makes of NaN
  std::string text(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  struct Finalise {
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement(sqlite3_stmt* statement, const class Database& database) : statement_(statement), database_(&database) {}
  void bind_at(int place, std::int64_t value);
  void bind_at(int place, int value) { bind_at(place, static_cast<std::int64_t>(value)); }
  void bind_at(int place, bool value) { bind_at(place, static_cast<std::int64_t>(value)); }
  void bind_at(int place, double value);
  void bind_at(int place, std::string_view value);
  void bind_at(int place, const std::string& value) { bind_at(place, std::string_view(value)); }
  void bind_at(int place, const char* value) { bind_at(place, std::string_view(value)); }

  std::unique_ptr<sqlite3_stmt, Finalise> statement_;
  const Database* database_;
};

// Every function throws Error: the file, what failed, what to do.
class Database {
 public:
  enum class Mode {
    read,
    write
  };  // write: made if it is not there; read: at most what a killed writer began is undone
  Database(const std::filesystem::path& path, Mode mode);

  Statement prepare(std::string_view sql) const;
  void run(const char* sql) const;  // one or more statements without rows
  std::int64_t last_row() const;
  bool is_in_transaction() const;
  const std::filesystem::path& path() const { return path_; }

  [[noreturn]] void fail(std::string_view doing) const;

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  std::filesystem::path path_;
  std::unique_ptr<sqlite3, Close> database_;
};

// All or nothing: rolled back unless it is committed. Others who write wait. Within another, it is part of that one.
class Transaction {
 public:
  explicit Transaction(const Database& database);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit();

 private:
  const Database& database_;
  bool open_;
};

}  // namespace specdec
