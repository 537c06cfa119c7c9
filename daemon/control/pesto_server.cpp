#include "daemon/control/pesto_server.hpp"

#include "daemon/os/socket.hpp"
#include "daemon/os/stream_listener.hpp"
#include "daemon/report/log.hpp"

#include <array>
#include <chrono>

namespace tapioca {

namespace {

constexpr duration patience = std::chrono::milliseconds{500}; ///< with a silent client while another one waits
constexpr duration patience_with_speakers = std::chrono::seconds{5};
constexpr std::size_t octets_at_once = 4096;
constexpr duration look = std::chrono::milliseconds{1}; ///< at rules that somebody else is changing
constexpr std::string_view owner = "pesto";

std::uint32_t capabilities_of(const enabled_protocols& enabled, bool scans)
{
    namespace can = pesto::capability;
    const std::pair<bool, std::uint32_t> bits[] = {{enabled.ipv4, can::ipv4},
                                                   {enabled.ipv6, can::ipv6},
                                                   {enabled.tcp, can::tcp},
                                                   {enabled.udp, can::udp},
                                                   {scans, can::scan}};
    std::uint32_t all = can::interface_name;
    for (const auto& [is_so, bit] : bits)
        all |= is_so ? bit : 0;
    return all;
}

} // namespace

pesto_server::pesto_server(parts p) : parts_(std::move(p)), greeting_(pesto::longest_message) {}

void pesto_server::start(reactor& loop)
{
    loop_ = &loop;
    (void)loop.watch(parts_.listener.get(), readiness_for::reading, [this] { accept(); });
}

pesto::pif_list pesto_server::interfaces(const both_rules& rules) const
{
    const auto& limits = parts_.rules.limits();
    pesto::pif_list all;
    pesto::pif host{.id = pesto::host_id,
                    .name = {},
                    .capabilities = capabilities_of(limits.context.enabled, limits.context.auto_allowed),
                    .rules = rules.host};
    (void)host.name.assign("HOST");
    all.push_back(host);
    if (!limits.has_guest_side)
        return all;
    pesto::pif guest{.id = pesto::splice_id, .name = {}, .capabilities = host.capabilities, .rules = rules.guest};
    (void)guest.name.assign("SPLICE");
    all.push_back(guest);
    return all;
}

void pesto_server::accept()
{
    if (client_) {
        loop_->forget(parts_.listener.get());
        return loop_->call_in(heard_ ? patience_with_speakers : patience, [this, number = client_number_] { end(number); });
    }
    auto client = os::accept_stream(parts_.listener.get());
    if (!client)
        return;
    client_ = std::move(client->fd);
    heard_ = applying_ = false;
    ++client_number_;
    greeted_ = parts_.rules.now();
    tables_ = interfaces(greeted_);
    writer out{greeting_};
    if (pesto::put_greeting(out, tables_)) // not seen: our own rules can be said
        return let_go();
    greeting_.resize(out.size());
    sent_ = 0;
    decoder_.emplace(pesto::decoder::message::tables, tables_);
    send_greeting();
}

/// Somebody else has waited for long enough.
void pesto_server::end(std::uint64_t client)
{
    if (client == client_number_ && client_ && !applying_)
        let_go();
}

void pesto_server::send_greeting()
{
    while (sent_ < greeting_.size()) {
        const auto n = os::send(client_.get(), bytes_view{greeting_}.subspan(sent_));
        if (!n && n.error().value() == EAGAIN) {
            if (!loop_->watch(client_.get(), readiness_for::writing, [this] {
                    loop_->forget(client_.get());
                    send_greeting();
                }))
                let_go();
            return;
        }
        if (!n)
            return let_go();
        sent_ += *n;
    }
    if (!loop_->watch(client_.get(), readiness_for::reading, [this] { receive(); }))
        let_go();
}

void pesto_server::receive()
{
    std::array<octet, octets_at_once> octets;
    const auto n = os::receive(client_.get(), octets);
    if (!n && n.error().value() == EAGAIN)
        return;
    if (!n || *n == 0) // whoever only wanted to look
        return let_go();
    heard_ = true;
    (void)decoder_->take(bytes_view{octets}.first(*n));
    switch (decoder_->now()) {
    case pesto::decoder::state::unfinished:
        return;
    case pesto::decoder::state::refused:
        return refuse(std::string{text_of(decoder_->why()).view()});
    case pesto::decoder::state::complete:
        applying_ = true;
        loop_->forget(client_.get());
        return take_tables();
    }
}

/// The client has made its tables of those that it was shown: what others have changed since then stays.
void pesto_server::take_tables()
{
    if (parts_.rules.is_changing())
        return loop_->call_in(look, [this] { take_tables(); });
    both_rules sent;
    for (const auto& pif : tables_)
        (pif.id == pesto::host_id ? sent.host : sent.guest) = pif.rules;
    const auto wanted = merged(greeted_, sent, parts_.rules.now());
    if (!wanted)
        return refuse("There are more rules than there is room for");
    if (const auto why = parts_.rules.exchange(*wanted, owner, [this] { let_go(); }))
        refuse(text_of(*why));
}

/// The protocol has no answer, and upstream's client reads none; ours shows what comes before the end.
void pesto_server::refuse(const std::string& why)
{
    log::error("Kept the forwarding rules as they were: " + why);
    (void)os::send(client_.get(), bytes_view{reinterpret_cast<const octet*>(why.data()), why.size()});
    let_go();
}

void pesto_server::let_go()
{
    loop_->forget(client_.get());
    client_.reset();
    decoder_.reset();
    greeting_.resize(pesto::longest_message);
    (void)loop_->watch(parts_.listener.get(), readiness_for::reading, [this] { accept(); });
}

} // namespace tapioca
