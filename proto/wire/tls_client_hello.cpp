#include "proto/wire/tls_client_hello.hpp"

#include <algorithm>

namespace tapioca::wire {
namespace {

constexpr octet handshake_record = 22, client_hello_message = 1;
constexpr octet tls_major = 3; ///< of SSL 3 and of each version of TLS
constexpr std::uint32_t longest_session_id = 32;
constexpr std::uint32_t server_name = 0, encrypted_client_hello = 0xfe0d; ///< extensions
constexpr std::size_t longest_label = 63;                                 ///< RFC 1035 section 2.3.4

/// The octets of one handshake message, without the headers of the records that carry it. A vector is read inside of what holds
/// it: each has a limit. Once anything is amiss nothing more is read.
class message_reader {
public:
    explicit message_reader(std::span<const bytes_view> stream) noexcept : stream_(stream)
    {
        for (const auto piece : stream)
            octets_ += piece.size();
    }

    /// Big-endian, of so many octets; 0 if they are not there.
    std::uint32_t number(unsigned octets) noexcept
    {
        std::uint32_t n = 0;
        for (; octets != 0; --octets)
            n = n << 8 | take();
        return good() ? n : 0;
    }
    octet take() noexcept
    {
        if (limit_ == 0)
            fail(client_hello_kind::not_tls);
        if (!good() || (in_record_ == 0 && !begin_record()))
            return 0;
        --in_record_;
        --limit_;
        return raw();
    }
    void skip(std::uint32_t octets) noexcept
    {
        for (; octets != 0 && good(); --octets)
            (void)take();
    }
    /// What follows is no longer than that. What may be read behind it.
    std::uint32_t enter(std::uint32_t length) noexcept
    {
        if (length > limit_)
            fail(client_hello_kind::not_tls);
        const auto behind = good() ? limit_ - length : 0;
        limit_ = good() ? length : 0;
        return behind;
    }
    /// Goes on behind it; it has to have been read to its end.
    void leave(std::uint32_t behind) noexcept
    {
        if (limit_ != 0)
            fail(client_hello_kind::not_tls);
        limit_ = behind;
    }
    void skip_vector(unsigned octets_of_length, std::uint32_t least, std::uint32_t most) noexcept
    {
        const auto length = number(octets_of_length);
        if (length < least || length > most)
            fail(client_hello_kind::not_tls);
        const auto behind = enter(length);
        skip(length);
        leave(behind);
    }

    void fail(client_hello_kind why) noexcept
    {
        if (good())
            why_ = why;
    }
    [[nodiscard]] bool good() const noexcept { return why_ == client_hello_kind::named; }
    [[nodiscard]] client_hello_kind why() const noexcept { return why_; }
    [[nodiscard]] std::uint32_t left() const noexcept { return good() ? limit_ : 0; }

private:
    /// RFC 8446 section 5.1: a record of the handshake has content, and any version of TLS. It is read once all of it is there.
    bool begin_record() noexcept
    {
        const auto before = read_;
        const auto type = raw(), major = raw(), minor = raw(), high = raw(), low = raw();
        (void)minor;
        const auto there = read_ - before; // a part of a header may be enough to see that it is none
        if ((there > 0 && type != handshake_record) || (there > 1 && major != tls_major))
            why_ = client_hello_kind::not_tls;
        in_record_ = std::uint32_t{high} << 8 | low;
        if (good() && (in_record_ == 0 || in_record_ > longest_client_hello - read_))
            fail(client_hello_kind::not_tls);
        if (good() && in_record_ > octets_ - read_)
            fail(client_hello_kind::incomplete);
        return good();
    }

    octet raw() noexcept
    {
        if (read_ == std::min(octets_, longest_client_hello)) {
            fail(read_ == octets_ ? client_hello_kind::incomplete : client_hello_kind::not_tls);
            return 0;
        }
        while (at_ == stream_.front().size()) {
            stream_ = stream_.subspan(1);
            at_ = 0;
        }
        ++read_;
        return stream_.front()[at_++];
    }

    std::span<const bytes_view> stream_;
    std::size_t octets_ = 0, at_ = 0, read_ = 0; ///< of the stream; in its first piece; in all
    std::uint32_t in_record_ = 0, limit_ = longest_client_hello;
    client_hello_kind why_ = client_hello_kind::named;
};

/// Letters, digits, hyphens and underscores, in labels between dots. In an address, which RFC 6066 does not permit, the last
/// label is a number.
bool is_name(std::string_view name) noexcept
{
    std::size_t label = 0;
    bool numeric = true;
    for (const char c : name) {
        if (c == '.') {
            if (label == 0)
                return false;
            label = 0;
            numeric = true;
            continue;
        }
        const bool digit = c >= '0' && c <= '9';
        if ((!digit && !(c >= 'a' && c <= 'z') && c != '-' && c != '_') || ++label > longest_label)
            return false;
        numeric = numeric && digit;
    }
    return label != 0 && !numeric;
}

constexpr char lower(octet o) noexcept { return static_cast<char>(o >= 'A' && o <= 'Z' ? o + ('a' - 'A') : o); }

/// RFC 6066 section 3: a list with one name of each type, of which there is one.
void read_name(message_reader& in, client_hello& hello) noexcept
{
    constexpr octet host_name = 0;
    const auto behind_list = in.enter(in.number(2));
    if (in.take() != host_name)
        in.fail(client_hello_kind::not_tls);
    const auto length = in.number(2);
    const auto behind_name = in.enter(length);
    if (length == 0)
        in.fail(client_hello_kind::not_tls);
    for (std::uint32_t i = 0; i < length && in.good(); ++i)
        if (const auto c = lower(in.take()); i < hello.octets.size())
            hello.octets[i] = c;
    hello.length = static_cast<std::uint8_t>(length > hello.octets.size() ? 0 : length);
    if (!is_name(hello.name()))
        hello.length = 0;
    in.leave(behind_name);
    in.leave(behind_list);
}

/// Whether the extension encrypted_client_hello is there.
bool read_extensions(message_reader& in, client_hello& hello) noexcept
{
    bool encrypted = false, named = false;
    const auto behind_all = in.enter(in.number(2));
    while (in.left() != 0) {
        const auto type = in.number(2), length = in.number(2);
        const auto behind = in.enter(length);
        encrypted = encrypted || (type == encrypted_client_hello && in.good());
        if (type == server_name && in.good()) {
            if (named)
                in.fail(client_hello_kind::not_tls);
            named = true;
            read_name(in, hello);
        } else {
            in.skip(length);
        }
        in.leave(behind);
    }
    in.leave(behind_all);
    return encrypted;
}

} // namespace

client_hello find_client_hello(std::span<const bytes_view> stream) noexcept
{
    client_hello hello;
    message_reader in{stream};
    if (in.take() != client_hello_message)
        in.fail(client_hello_kind::not_tls);
    (void)in.enter(in.number(3));
    if (in.take() != tls_major)
        in.fail(client_hello_kind::not_tls);
    in.skip(1 + 32);
    in.skip_vector(1, 0, longest_session_id);
    in.skip_vector(2, 2, 65534); // suites of ciphers
    in.skip_vector(1, 1, 255);   // compression methods
    bool encrypted = false;
    if (in.left() != 0) // a client of TLS 1.2 or before may know of no extensions
        encrypted = read_extensions(in, hello);
    in.leave(0);
    if (!in.good())
        return {.kind = in.why()};
    hello.kind = encrypted           ? client_hello_kind::encrypted
                 : hello.length == 0 ? client_hello_kind::unnamed
                                     : client_hello_kind::named;
    return hello;
}

} // namespace tapioca::wire
