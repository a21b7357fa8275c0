/* See answer.h. */
#include "ssmtp/answer.h"

#include "lib/reply.h"

static const struct {
    unsigned code;
    const char *enhanced, *text;
} answers[ANSWERS] = {
    [ANSWER_TLS] = {220, "2.0.0", "Begin TLS"},
    [ANSWER_LOGGED_IN] = {235, "2.7.0", "You are logged in"},
    [ANSWER_BYE] = {221, "2.0.0", "Goodbye"},
    [ANSWER_OK] = {250, "2.0.0", "OK"},
    [ANSWER_SENDER] = {250, "2.1.0", "Sender OK"},
    [ANSWER_RECIPIENT] = {250, "2.1.5", "Recipient OK"},
    [ANSWER_VRFY] = {252, "2.0.0", "Send mail and see: users are not told here"},
    [ANSWER_GO_ON] = {354, NULL, "Send the text, end with <CRLF>.<CRLF>"},
    [ANSWER_STOPPING] = {421, "4.3.2", "Service is closing down, come again"},
    [ANSWER_TIME_UP] = {421, "4.4.2", "Time is up, closing"},
    [ANSWER_ERRORS] = {421, "4.7.0", "Too many bad commands, closing"},
    [ANSWER_LOGINS] = {421, "4.7.0", "Too many logins failed, closing"},
    [ANSWER_TROUBLE] = {451, "4.3.0", "Local error, try again later"},
    [ANSWER_FULL] = {452, "4.3.1", "No room for the message, try again later"},
    [ANSWER_MANY_RECIPIENTS] = {452, "4.5.3", "Too many recipients, send to the others later"},
    [ANSWER_NO_LOGIN_NOW] = {454, "4.7.0", "Logins cannot be checked now, try again later"},
    [ANSWER_UNKNOWN_VERB] = {500, "5.5.1", "No such command, HELP lists them"},
    [ANSWER_LINE_LONG] = {500, "5.5.2", "Command line longer than 512 octets"},
    [ANSWER_AUTH_LONG] = {500, "5.5.6", "Authentication exchange longer than 12288 octets"},
    [ANSWER_LINE_OCTETS] = {500, "5.5.2", "Command line with NUL, or CR or LF alone"},
    [ANSWER_HELO_SYNTAX] = {501, "5.5.4", "Name yourself: EHLO domain"},
    [ANSWER_MAIL_SYNTAX] = {501, "5.5.4", "Write MAIL FROM:<address>"},
    [ANSWER_RCPT_SYNTAX] = {501, "5.5.4", "Write RCPT TO:<address>"},
    [ANSWER_VRFY_SYNTAX] = {501, "5.5.4", "Write VRFY user"},
    [ANSWER_NO_ARGUMENT] = {501, "5.5.4", "Nothing may follow this command"},
    [ANSWER_SIZE_SYNTAX] = {501, "5.5.4", "SIZE takes 1 to 20 digits"},
    [ANSWER_BODY_SYNTAX] = {501, "5.5.4", "BODY is 7BIT or 8BITMIME"},
    [ANSWER_TWICE] = {501, "5.5.4", "A parameter stands twice"},
    [ANSWER_AUTH_SYNTAX] = {501, "5.5.4", "Write AUTH mechanism [initial-response]"},
    [ANSWER_AUTH_PARAMETER] = {501, "5.5.4", "AUTH is <> or an address in xtext"},
    [ANSWER_BASE64] = {501, "5.5.2", "That is no base64"},
    [ANSWER_EXCHANGE] = {501, "5.5.2", "That does not belong into this exchange"},
    [ANSWER_CANCELLED] = {501, "5.7.0", "Cancelled"},
    [ANSWER_NO_EXPN] = {502, "5.5.1", "Lists are not expanded here"},
    [ANSWER_NO_TLS] = {502, "5.5.1", "TLS is not offered here"},
    [ANSWER_NO_AUTH] = {502, "5.5.1", "Nobody logs in at this service"},
    [ANSWER_NO_TLS_HERE] = {503, "5.5.1", "STARTTLS comes after EHLO, outside a transaction"},
    [ANSWER_NO_AUTH_HERE] = {503, "5.5.1", "AUTH comes after EHLO, outside a transaction"},
    [ANSWER_AUTH_TWICE] = {503, "5.5.1", "You are logged in already"},
    [ANSWER_TLS_TWICE] = {503, "5.5.1", "TLS is on already"},
    [ANSWER_NO_MAIL_HERE] = {503, "5.5.1", "MAIL comes after EHLO, once in a transaction"},
    [ANSWER_NO_RCPT_HERE] = {503, "5.5.1", "RCPT comes after MAIL"},
    [ANSWER_NO_DATA_HERE] = {503, "5.5.1", "DATA comes after MAIL and an accepted RCPT"},
    [ANSWER_GREETING_FIRST] = {503, "5.5.1", "Wait for the greeting"},
    [ANSWER_NO_HELP] = {504, "5.5.4", "There is no help on that"},
    [ANSWER_MECHANISM] = {504, "5.5.4", "This mechanism is not offered, EHLO lists them"},
    [ANSWER_TLS_FIRST] = {530, "5.7.0", "Issue STARTTLS first, then AUTH"},
    [ANSWER_LOGIN_FIRST] = {530, "5.7.0", "Log in first, by AUTH"},
    [ANSWER_WRONG] = {535, "5.7.8", "Name or password is wrong"},
    [ANSWER_AUTH_CLEAR] = {538, "5.7.11", "Nobody logs in without TLS: issue STARTTLS first"},
    [ANSWER_UNKNOWN_USER] = {550, "5.1.1", "No such user here"},
    [ANSWER_NOT_OURS] = {550, "5.7.1", "Not a domain of this host, and nothing is relayed"},
    [ANSWER_BARE] = {550, "5.6.11", "Text with NUL, or CR or LF alone: lines end with CRLF"},
    [ANSWER_TOO_LARGE] = {552, "5.3.4", "Message too large"},
    [ANSWER_LONG_HEADER] = {552, "5.3.4", "Message header larger than 1 MiB"},
    [ANSWER_EIGHT_BIT] = {553, "5.6.7", "Addresses must be ASCII, SMTPUTF8 is not offered"},
    [ANSWER_NOT_YOURS] = {553, "5.7.1", "Not your address: send as your own mail name"},
    [ANSWER_AMBIGUOUS] = {553, "5.1.4", "Ambiguous: several users have that name"},
    [ANSWER_LOOP] = {554, "5.4.6", "Too many Received fields: the mail goes in circles"},
    [ANSWER_EARLY] = {554, "5.5.0", "You spoke before the greeting, closing"},
    [ANSWER_AHEAD] = {554, "5.5.0", "Input came before the reply, closing"},
    [ANSWER_PARAMETER] = {555, "5.5.4", "Parameter not known here"},
};

void answer_say(enum answer a, struct buf *out)
{
    reply_write(out, answers[a].code, answers[a].enhanced, span_of(answers[a].text));
}

const char *answer_text(enum answer a)
{
    return answers[a].text;
}
