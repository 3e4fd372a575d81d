#include "experiments/database.h"

#include <sqlite3.h>

#include <cmath>

#include "core/error.h"

namespace specdec {
namespace {

constexpr int kPatienceMs = 60'000;  // for others who write

std::string_view remedy(int code) {
  switch (code & 0xff) {
    case SQLITE_FULL:
      return "; the disk is full: what was finished before is kept; make room and run the same command again";
    case SQLITE_IOERR:
      return "; the disk could not be written or read: what was finished before is kept; run the same command again";
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
      return "; expected a file in a directory, both writable for you: give another --store";
    case SQLITE_BUSY:
      return "; another program has been writing for a minute: run the same command again when it has ended";
    case SQLITE_ERROR:  // the statements are right, so the tables are not
    case SQLITE_CORRUPT:
      return "; the store is damaged: 'sqlite3 FILE .recover' saves what can be read; give another --store to go on";
    case SQLITE_NOTADB:
      return "; it is no store of specdec: give another --store";
    default:
      return "";
  }
}

}  // namespace

void Statement::Finalise::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

void Database::fail(std::string_view doing) const {
  throw Error("{}: {}: {}{}", path_.string(), doing, sqlite3_errmsg(database_.get()),
              remedy(sqlite3_errcode(database_.get())));
}

Database::Database(const std::filesystem::path& path, Mode mode) : path_(path) {
  sqlite3* opened = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | (mode == Mode::write ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(path.c_str(), &opened, flags, nullptr);
  database_.reset(opened);
  SPECDEC_ASSERT(opened != nullptr);
  if (code != SQLITE_OK) {
    if (mode == Mode::read && !std::filesystem::exists(path))
      throw Error("{}: no such store; 'specdec sweep' makes one, --store names another", path.string());
    fail("cannot open the store");
  }
  sqlite3_extended_result_codes(opened, 1);
  sqlite3_busy_timeout(opened, kPatienceMs);
  run(mode == Mode::read ? "PRAGMA query_only = ON" : "PRAGMA foreign_keys = ON");
}

Statement Database::prepare(std::string_view sql) const {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr) != SQLITE_OK)
    fail("cannot read the store");
  return {statement, *this};
}

void Database::run(const char* sql) const {
  if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail("cannot write the store");
}

std::int64_t Database::last_row() const { return sqlite3_last_insert_rowid(database_.get()); }
bool Database::is_in_transaction() const { return sqlite3_get_autocommit(database_.get()) == 0; }

void Statement::bind_at(int place, std::int64_t value) { sqlite3_bind_int64(statement_.get(), place, value); }
void Statement::bind_at(int place, double value) { sqlite3_bind_double(statement_.get(), place, value); }
void Statement::bind_at(int place, std::string_view value) {
  sqlite3_bind_text(statement_.get(), place, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT);
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code != SQLITE_ROW && code != SQLITE_DONE)
    database_->fail(sqlite3_stmt_readonly(statement_.get()) != 0 ? "cannot read the store" : "cannot write the store");
  return code == SQLITE_ROW;
}

void Statement::run() {
  const bool row = step();
  SPECDEC_ASSERT(!row);
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }
double Statement::number(int column) const {
  return is_null(column) ? NAN : sqlite3_column_double(statement_.get(), column);
}
bool Statement::is_null(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }
std::string Statement::text(int column) const {
  const unsigned char* bytes = sqlite3_column_text(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return bytes == nullptr ? std::string()
                          : std::string(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

Transaction::Transaction(const Database& database) : database_(database), open_(!database.is_in_transaction()) {
  if (open_) database_.run("BEGIN IMMEDIATE");
}
Transaction::~Transaction() {
  if (!open_) return;
  try {
    database_.run("ROLLBACK");
  } catch (const Error&) {  // a full disk has rolled it back already
  }
}
void Transaction::commit() {
  if (open_) database_.run("COMMIT");
  open_ = false;
}

}  // namespace specdec
