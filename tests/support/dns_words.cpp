// Says in words what proto/wire/dns_message.hpp makes of the messages on standard input, for a judge who has made them. A line is
// "query HEX" or "reply HEX"; a line of the output says "bad", or what is in it. What a reply becomes when it is written anew for
// a client with the id 77 and OPT stands behind it.
#include "proto/wire/dns_answer.hpp"

#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

using namespace tapioca;
using namespace tapioca::wire;

namespace {

std::string hex_of(bytes_view octets)
{
    std::string text;
    char digits[3];
    for (const auto o : octets) {
        std::snprintf(digits, sizeof digits, "%02x", o);
        text += digits;
    }
    return text.empty() ? "-" : text;
}

std::vector<octet> octets_of_hex(const std::string& text)
{
    std::vector<octet> octets;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        octets.push_back(static_cast<octet>(std::stoi(text.substr(i, 2), nullptr, 16)));
    return octets;
}

std::string words_of(const dns_question& q)
{
    return hex_of(q.name.view()) + ' ' + std::to_string(q.type) + ' ' + std::to_string(q.in_class);
}

std::string words_of(const dns_query& q)
{
    return std::to_string(q.id) + ' ' + std::to_string(q.wants_recursion) + ' ' + words_of(q.question) + ' ' +
           std::to_string(q.client.has_opt) + ' ' + std::to_string(q.client.most_octets) + ' ' + std::to_string(q.client.version);
}

std::string words_of(const dns_reply& reply)
{
    auto words = std::to_string(reply.id) + ' ' + std::to_string(static_cast<int>(reply.rcode)) + ' ' +
                 std::to_string(reply.truncated) + ' ' + words_of(reply.question);
    dns_query client;
    client.id = 77;
    client.question = reply.question;
    client.client.has_opt = true;
    std::vector<octet> room(65535);
    dns_answer answer{client, reply.rcode, room};
    each_record(reply, [&](const dns_record& r, dns_section section) {
        words += " | " + std::to_string(static_cast<int>(section)) + ' ' + hex_of(r.owner.view()) + ' ' + std::to_string(r.type) +
                 ' ' + std::to_string(r.in_class) + ' ' + std::to_string(r.ttl);
        if (section != dns_section::additional)
            answer.add(reply, r, section);
        return true;
    });
    return words + " = " + hex_of(bytes_view{room}.first(answer.finish()));
}

} // namespace

int main()
{
    std::string kind, text;
    while (std::cin >> kind >> text) {
        const auto message = octets_of_hex(text);
        if (kind == "query") {
            const auto q = parse_dns_query(message);
            std::cout << (q ? words_of(*q) : "bad") << '\n';
        } else {
            const auto reply = parse_dns_reply(message);
            std::cout << (reply ? words_of(*reply) : "bad") << '\n';
        }
    }
    return 0;
}
